"""Find the layers that every path of values passes, and count the positions of their units."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import tensorflow as tf

from gradscope.runner.step.signal_figures import Signal
from gradscope.runner.survey.calls import CallRecorder
from gradscope.runner.survey.sites import SiteMap

_SHAPES = frozenset(["Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike"])
"""Operations that read the shape of a tensor and not its values: no signal passes them."""


def with_main_path(sites: SiteMap, recorder: CallRecorder, inputs: Any, outputs: Any) -> SiteMap:
    """Set `main_path`, `positions` and `momentum` of the layers, from a traced forward pass.

    `inputs` and `outputs` are the structures of tensors of the whole model. `main_path` is set for
    layers without figures too: false where some paths, but not all, pass an output. `momentum` is
    set for batch norms whose moving statistics move.
    """
    calls = {call.key: call for call in recorder.calls}
    tensors = {site.index: Signal.from_call(site, calls[site.key]).z for site in sites.sites}
    tensors |= {norm.index: calls[norm.key].inputs[0] for norm in sites.batch_norms}
    paths = _PathCounts.between(keras.tree.flatten(inputs), keras.tree.flatten(outputs))
    layers = list(sites.layers)
    for index, key in enumerate(sites.calls):
        outputs_of_layer = calls[key].outputs if key in calls else []
        aside = any(paths.on_some_only(tensor) for tensor in outputs_of_layer)
        layers[index] = replace(layers[index], main_path=not aside)
    for index, tensor in tensors.items():
        on_path = layers[index].main_path and paths.on_all(tensor)
        positions = _positions(tensor, layers[index].units)
        layers[index] = replace(layers[index], main_path=on_path, positions=positions)
    for norm in sites.batch_norms:
        if norm.layer.trainable:
            layers[norm.index] = replace(layers[norm.index], momentum=float(norm.layer.momentum))
    return replace(sites, layers=tuple(layers))


def _positions(tensor: Any, units: int | None) -> int:
    """Pixels or time steps at which each unit stands: the values of a sample over its units.

    The units of an attention's query fill two axes, and a convolution's may stand first.
    """
    sizes = tensor.shape[1:]
    return math.prod(sizes) // (units or sizes[-1]) if sizes.is_fully_defined() and sizes else 1


@dataclass(frozen=True)
class _PathCounts:
    """How many paths of values from the inputs to the outputs pass each operation, by its name.

    The number of paths to it times the number of paths from it. Integers of any size: 100 residual
    blocks have 2^100 paths.
    """

    through: dict[str, int]
    total: int

    @classmethod
    def between(cls, inputs: Sequence[Any], outputs: Sequence[Any]) -> _PathCounts:
        """Count the paths from the tensors `inputs` to the tensors `outputs`."""
        starts = {tensor.op.name for tensor in inputs}
        ends = {tensor.op.name for tensor in outputs}
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
        through = {name: paths * leaving[name] for name, paths in arriving.items()}
        return cls(through, sum(arriving[end] for end in ends))

    def on_all(self, tensor: Any) -> bool:
        """Whether every path passes the operation that makes `tensor`."""
        return self.through.get(tensor.op.name) == self.total

    def on_some_only(self, tensor: Any) -> bool:
        """Whether some paths pass the operation that makes `tensor`, and others do not."""
        return 0 < self.through.get(tensor.op.name, 0) < self.total


def _before(op: Any) -> Iterator[Any]:
    """The operations whose values `op` reads: no shapes and no masks, which get no gradient."""
    for tensor in op.inputs:
        if tensor.dtype != tf.bool and tensor.op.type not in _SHAPES:
            yield tensor.op


def _upstream(ends: Iterable[Any]) -> list[Any]:
    """All operations that `ends` depend on, each after those whose values it reads."""
    order: list[Any] = []
    visited: set[str] = set()
    stack = [(end, False) for end in ends]
    while stack:
        op, done = stack.pop()
        if done:
            order.append(op)
        elif op.name not in visited:
            visited.add(op.name)
            stack.append((op, True))
            stack.extend((before, False) for before in _before(op))
    return order
