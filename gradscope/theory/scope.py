"""Which networks the recursion covers, and what it needs to know of each of their layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gradscope.catalog.activations import find_activation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import LayerInfo, Role, Trait
from gradscope.theory.gains import WeightGains, weight_gains

__all__ = ["SMALLEST_BATCH", "Block", "OutsideTheoryError", "blocks_of", "in_range"]

SMALLEST_BATCH = 8
"""Below it the gradient through batch norm has no finite variance worth predicting."""

_LARGEST_MEAN = 0.01
"""Share of fan_in mean^2 in Var w from which a common mean of the weights shows."""

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
    """One Dense layer with its activation: gains of its weights and what follows them.

    `forward` is fan_in Var w, `backward` fan_out Var w, `kept` 1 - dropout rate; `bias_mean` and
    `bias_variance` are those of the law that the bias is drawn from.
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


def in_range(block: Block, q: float) -> float:
    """The E z^2 of a layer, when a double can go on with it and with its square."""
    if not (1e-150 < q < 1e150):
        raise OutsideTheoryError(f"E z^2 leaves the range of numbers at layer {block.name}")
    return q


def blocks_of(
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
        if block.normalization == "after_activation" and (block.bias_mean or block.bias_variance):
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
    """Mean and variance of the law of the bias; both 0 where there is none to tell."""
    if not layer.use_bias or layer.bias_initializer is None:
        return 0.0, 0.0
    entry = INITIALIZERS.get(layer.bias_initializer)
    if entry is None:
        raise OutsideTheoryError(
            f"bias initializer {layer.bias_initializer} of layer {layer.name} is unknown"
        )
    given = layer.bias_initializer_parameters
    known = entry.complete({key: value for key, value in given.items() if key in entry.parameters})
    fan = layer.units or 1  # Keras counts both fans of a vector as its length
    return entry.mean(fan, fan, **known), entry.variance(fan, fan, **known)


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
    given = layer.initializer_parameters
    known = {key: value for key, value in given.items() if key in initializer.parameters}
    gains = weight_gains(initializer.name, known, fan_in, fan_out)
    mean = initializer.mean(fan_in, fan_out, **initializer.complete(known))
    if gains.forward == 0.0:
        raise OutsideTheoryError(f"the weights of layer {layer.name} have no variance")
    if fan_in * mean * mean > _LARGEST_MEAN * gains.forward / fan_in:
        raise OutsideTheoryError(
            f"the weights of layer {layer.name} have mean {mean:g}, large against their spread"
        )
    return gains
