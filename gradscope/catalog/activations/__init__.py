"""Every activation gradscope knows, one entry each, under Keras's canonical name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from gradscope.catalog.activations.bounded import BOUNDED
from gradscope.catalog.activations.entry import Activation
from gradscope.catalog.activations.rectifiers import RECTIFIERS
from gradscope.catalog.activations.shrinkers import SHRINKERS
from gradscope.catalog.activations.smooth import SMOOTH

__all__ = ["ACTIVATIONS", "ACTIVATION_ALIASES", "Activation", "find_activation"]

ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {entry.name: entry for entry in (*RECTIFIERS, *SMOOTH, *BOUNDED, *SHRINKERS)}
)
"""Canonical name to entry."""

ACTIVATION_ALIASES: Mapping[str, str] = MappingProxyType(
    {alias: entry.name for entry in ACTIVATIONS.values() for alias in entry.aliases}
)
"""Keras's other names (swish, hard_swish) to the canonical one."""


def find_activation(name: str) -> Activation | None:
    """The entry under a canonical name or an alias; None when there is no such activation."""
    return ACTIVATIONS.get(ACTIVATION_ALIASES.get(name, name))
