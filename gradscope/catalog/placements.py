"""Where batch norm may stand in a hidden layer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["PLACEMENTS", "Placement"]


@dataclass(frozen=True)
class Placement:
    """A batch-norm placement: its name, what it does, and the order of the operations."""

    name: str
    description: str
    order: str
    source: str


_TABLE = (
    Placement(
        name="none",
        description="no batch norm between the layers",
        order="Dense -> activation -> dropout",
        source="Glorot & Bengio 2010",
    ),
    Placement(
        name="before_activation",
        description="the activation receives standardised values; the Dense bias does nothing",
        order="Dense -> BatchNormalization -> activation -> dropout",
        source="Ioffe & Szegedy 2015, arXiv:1502.03167, section 3.2",
    ),
    Placement(
        name="after_activation",
        description="the next layer receives standardised values",
        order="Dense -> activation -> BatchNormalization -> dropout",
        source="Chollet 2021, Deep Learning with Python, section 9.3.3, discusses both orders; "
        "Géron 2022, Hands-On Machine Learning, chapter 11",
    ),
)

PLACEMENTS: Mapping[str, Placement] = MappingProxyType({entry.name: entry for entry in _TABLE})
"""Name in the config to entry."""
