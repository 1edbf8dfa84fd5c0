"""Networks that the recursion covers, and what it needs from each of their layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradscope.catalog.activations import find_activation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import LayerInfo, Normalization, Role, Trait
from gradscope.theory.moments.gains import WeightGains, weight_gains

__all__ = [
    "SMALLEST_BATCH",
    "Block",
    "OutsideTheoryError",
    "dense_blocks",
    "in_range",
    "no_finite_moments",
]

SMALLEST_BATCH = 8
"""Below 6 samples E 1 / s^4 is infinite (s^2 is chi-squared with B - 1 degrees of freedom), and so
is the variance of the gradient through batch norm; at 8 it is finite."""

_LARGEST_MEAN = 0.01
"""Largest fan_in mean^2 / Var w. A mean m of the weights adds fan_in m^2 / Var w times
(E a)^2 / E a^2, at most 1, to the signal's gain: up to 1 %, less than the bands resolve."""

_SMALLEST_SIGNAL, _LARGEST_SIGNAL = 1e-150, 1e150
"""Range of E z^2: a double holds its square, which E phi^4 needs."""

_WEIGHTED = frozenset([Trait.FULLY_CONNECTED])
_COVERED = {
    Role.HIDDEN: _WEIGHTED,
    Role.OUTPUT: _WEIGHTED,
    Role.NORMALIZATION: frozenset([Trait.BATCH_NORM]),
    Role.STRUCTURE: frozenset([Trait.ACTIVATION, Trait.DROPOUT, Trait.UNCHANGED_VALUES]),
}
"""The traits of which a layer of each role must have one."""


class OutsideTheoryError(Exception):
    """The network is not one that the recursion covers; the message says why."""


@dataclass(frozen=True)
class Block:
    """One Dense layer with its activation, batch norm and dropout.

    `forward` is fan_in Var w, `backward` fan_out Var w, `kept` 1 - dropout rate; `bias_mean` and
    `bias_variance` are those of the bias's distribution.
    """

    name: str
    units: int
    activation: str
    parameters: dict[str, Any]
    forward: float
    backward: float
    kept: float
    normalization: str | None
    fan_in: int
    fan_out: int
    orthogonal: bool
    bias_mean: float
    bias_variance: float


def no_finite_moments(block: Block, q: float) -> OutsideTheoryError:
    """The error for an activation whose moments a double cannot hold at E z^2 = q."""
    return OutsideTheoryError(
        f"{block.activation} of layer {block.name} has no finite moments at E z^2 = {q:.3g}"
    )


def in_range(block: Block, q: float) -> float:
    """The E z^2 of a layer; `OutsideTheoryError` where q or q^2 leaves the range of a double."""
    if not (_SMALLEST_SIGNAL < q < _LARGEST_SIGNAL):
        raise OutsideTheoryError(f"E z^2 leaves the range of numbers at layer {block.name}")
    return q


def dense_blocks(
    layers: Sequence[LayerInfo], input_second_moment: float, batch_size: int
) -> tuple[list[Block], Block | None]:
    """The hidden layers and the output layer, or `OutsideTheoryError`."""
    if not (input_second_moment > 0.0 and math.isfinite(input_second_moment)):
        raise OutsideTheoryError(f"the input's second moment is {input_second_moment:g}")
    for layer in layers:
        _check_kind(layer)
    hidden = [_block(layer) for layer in layers if layer.role == Role.HIDDEN]
    outputs = [_block(layer) for layer in layers if layer.role == Role.OUTPUT]
    if not hidden:
        raise OutsideTheoryError("there is no hidden layer")
    if len(outputs) > 1:
        raise OutsideTheoryError("the network has more than one output")
    placements = {block.normalization for block in hidden}
    if len(placements) > 1:
        raise OutsideTheoryError("batch norm stands in some hidden layers and not in others")
    if placements != {None} and batch_size < SMALLEST_BATCH:
        raise OutsideTheoryError(
            f"batch norm on {batch_size} samples: below {SMALLEST_BATCH} the gradient's second "
            "moment is ruled by rare batches"
        )
    for block in hidden:
        if block.normalization == Normalization.AFTER_ACTIVATION and (
            block.bias_mean or block.bias_variance
        ):
            raise OutsideTheoryError(
                f"layer {block.name} starts with biases that are not zero, before a batch norm"
            )
    return hidden, outputs[0] if outputs else None


def _check_kind(layer: LayerInfo) -> None:
    if not _COVERED[layer.role] & set(layer.traits):
        raise OutsideTheoryError(f"layer {layer.name} is a {layer.kind}")
    if not layer.main_path:
        raise OutsideTheoryError(f"some paths go around layer {layer.name}")


def _block(layer: LayerInfo) -> Block:
    entry = find_activation(layer.activation or "linear")
    if entry is None or not (entry.hidden or layer.role == Role.OUTPUT):
        raise OutsideTheoryError(f"activation {layer.activation} of layer {layer.name} is unknown")
    if layer.units is None or layer.fan_in is None:
        raise OutsideTheoryError(f"the shape of layer {layer.name} is unknown")
    fan_out = layer.fan_out or layer.units
    gains = _gains(layer, layer.fan_in, fan_out)
    bias_mean, bias_variance = _bias(layer)
    return Block(
        name=layer.name,
        units=layer.units,
        activation=entry.name,
        parameters=dict(layer.activation_parameters),
        forward=gains.forward,
        backward=gains.backward,
        kept=1.0 - layer.dropout,
        normalization=layer.normalization,
        fan_in=layer.fan_in,
        fan_out=fan_out,
        orthogonal=layer.initializer == "orthogonal",
        bias_mean=bias_mean,
        bias_variance=bias_variance,
    )


def _bias(layer: LayerInfo) -> tuple[float, float]:
    """Mean and variance of the bias's distribution; both 0 without a bias."""
    if not layer.use_bias or layer.bias_initializer is None:
        return 0.0, 0.0
    entry = INITIALIZERS.get(layer.bias_initializer)
    if entry is None:
        raise OutsideTheoryError(
            f"bias initializer {layer.bias_initializer} of layer {layer.name} is unknown"
        )
    parameters = entry.complete(entry.without_unknown(layer.bias_initializer_parameters))
    fan = layer.units or 1  # Keras counts both fans of a vector as its length
    return entry.mean(fan, fan, **parameters), entry.variance(fan, fan, **parameters)


def _gains(layer: LayerInfo, fan_in: int, fan_out: int) -> WeightGains:
    initializer = INITIALIZERS.get(layer.initializer or "")
    if initializer is None:
        raise OutsideTheoryError(
            f"initializer {layer.initializer} of layer {layer.name} is unknown"
        )
    if not initializer.seeded:
        raise OutsideTheoryError(
            f"{initializer.name} draws no random weights for layer {layer.name}"
        )
    parameters = initializer.without_unknown(layer.initializer_parameters)
    gains = weight_gains(initializer.name, parameters, fan_in, fan_out)
    mean = initializer.mean(fan_in, fan_out, **initializer.complete(parameters))
    if gains.forward == 0.0:
        raise OutsideTheoryError(f"the weights of layer {layer.name} have no variance")
    if fan_in * mean * mean > _LARGEST_MEAN * gains.forward / fan_in:
        raise OutsideTheoryError(
            f"the weights of layer {layer.name} have mean {mean:g}, large against their spread"
        )
    return gains
