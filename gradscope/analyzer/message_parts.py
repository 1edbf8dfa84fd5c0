"""How findings name layers and rates."""

from __future__ import annotations

import math
from collections.abc import Sequence

from gradscope.record import LayerInfo

_LISTED = 3
_MERGING = frozenset(
    [
        *("Add", "Average", "Concatenate", "Dot", "Maximum", "Minimum", "Multiply", "Subtract"),
        *("AdditiveAttention", "Attention", "Bidirectional"),
    ]
)
_ATTENDING = frozenset(["query", "key", "value"])


def layer_names(names: Sequence[str], positions: Sequence[int]) -> str:
    """Name layers shortly: ``hidden_1``, ``hidden_1 to hidden_14``, ``hidden_2 and hidden_5``.

    `positions` are those of the layers among their kind, ascending; neighbours are named as a
    range.
    """
    if len(names) == 1:
        return names[0]
    if positions[-1] - positions[0] == len(names) - 1:
        return f"{names[0]} to {names[-1]}"
    if len(names) <= _LISTED:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{len(names)} layers from {names[0]} to {names[-1]}"


def branches(layers: Sequence[LayerInfo]) -> bool:
    """Tell whether the data takes several paths, so that neighbours need not follow one another.

    Seen by layers that join paths, by attention and by a second output; a sum that a model's own
    `call` writes with ``+`` leaves no layer to see.
    """
    outputs = sum(layer.role == "output" for layer in layers)
    return outputs > 1 or any(layer.kind in _MERGING or _attends(layer) for layer in layers)


def _attends(layer: LayerInfo) -> bool:
    last = layer.name.rpartition("/")[2].partition("#")[0].partition("~")[0]
    return layer.kind == "EinsumDense" and last in _ATTENDING


def rate_text(rate: float, suffix: str = "") -> str:
    """` (x0.71 per layer)`, or nothing where layers without a figure leave no rate to tell."""
    return f" (x{rate:.2g} per layer{suffix})" if math.isfinite(rate) else ""
