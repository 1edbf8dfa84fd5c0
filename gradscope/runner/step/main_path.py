"""Which layers everything flows through, and over how many places each of them repeats itself."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.step.signal_figures import Signal
from gradscope.runner.survey.calls import CallRecorder
from gradscope.runner.survey.sites import SiteMap

_SHAPES = frozenset(["Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"])
"""Operations that look at how large a tensor is, not at what it holds: no signal passes them."""


def located(sites: SiteMap, ear: CallRecorder, inputs: Any, outputs: Any) -> SiteMap:
    """The same sites, their layers told where they stand; called while the forward pass is traced.

    Sets `main_path` and `places` of the measured layers, and `momentum` of the batch norms whose
    moving statistics move.
    """
    heard = {call.key: call for call in ear.calls}
    tensors = {site.index: Signal.of(site, heard[site.key]).z for site in sites.sites}
    tensors |= {norm.index: heard[norm.key].inputs[0] for norm in sites.batch_norms}
    through = _on_every_path(
        keras.tree.flatten(inputs), keras.tree.flatten(outputs), tensors.values()
    )
    layers = list(sites.layers)
    for index, tensor in tensors.items():
        places = _places(tensor, layers[index].units)
        layers[index] = replace(layers[index], main_path=id(tensor) in through, places=places)
    for norm in sites.batch_norms:
        if norm.layer.trainable:
            layers[norm.index] = replace(layers[norm.index], momentum=float(norm.layer.momentum))
    return replace(sites, layers=tuple(layers))


def _places(tensor: Any, units: int | None) -> int:
    """Pixels or time steps at which each unit stands: the values of a sample over its units.

    The units of an attention's query fill two axes, and a convolution's may stand first.
    """
    sizes = tensor.shape[1:]
    return math.prod(sizes) // (units or sizes[-1]) if sizes.is_fully_defined() and sizes else 1


def _on_every_path(
    inputs: Sequence[Any], outputs: Sequence[Any], tensors: Iterable[Any]
) -> set[int]:
    """Ids of the `tensors` that every path of values from the inputs to the outputs goes through.

    A tensor lies on all of them exactly when the number of paths to it times the number of paths
    from it is the number of all paths. Whole numbers: 100 residual blocks have 2^100 paths.
    """
    starts, ends = ({tensor.op.name for tensor in given} for given in (inputs, outputs))
    order = _upstream([tensor.op for tensor in outputs])
    arriving: dict[str, int] = {}
    for op in order:
        paths = sum(arriving[before.name] for before in _before(op))
        arriving[op.name] = paths + (op.name in starts)
    leaving = dict.fromkeys(arriving, 0)
    for op in reversed(order):
        leaving[op.name] += op.name in ends
        for before in _before(op):
            leaving[before.name] += leaving[op.name]
    total = sum(arriving[end] for end in ends)
    on_all = {name for name, paths in arriving.items() if paths * leaving[name] == total}
    return {id(tensor) for tensor in tensors if tensor.op.name in on_all}


def _before(op: Any) -> Iterator[Any]:
    """The operations whose values `op` works on: no shapes, no masks (nothing flows back there)."""
    for tensor in op.inputs:
        if tensor.dtype != tf.bool and tensor.op.type not in _SHAPES:
            yield tensor.op


def _upstream(ends: Iterable[Any]) -> list[Any]:
    """Everything that `ends` rest on, each operation after those it works on."""
    order: list[Any] = []
    seen: set[str] = set()
    stack = [(end, False) for end in ends]
    while stack:
        op, done = stack.pop()
        if done:
            order.append(op)
        elif op.name not in seen:
            seen.add(op.name)
            stack.append((op, True))
            stack.extend((before, False) for before in _before(op))
    return order
