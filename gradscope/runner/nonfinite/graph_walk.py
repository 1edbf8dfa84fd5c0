"""Walk a graph from values that are not finite to the operation that made the first of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gradscope.runner.nonfinite.traced_step import TracedStep

_CONSTANTS = frozenset(["Const", "Fill", "BroadcastTo"])
"""Operations that hand on what the program wrote: an infinite constant is meant."""


@dataclass(frozen=True)
class Counts:
    """How many values of a tensor are NaN and Inf."""

    nan: int
    inf: int


def first_origin(graph: TracedStep, lost: Mapping[str, Counts]) -> Any:
    """The earliest operation behind the loss, else the gradients, else any layer's output.

    None where none of these is lost. `lost` has the tensors that are not finite, by name. A tensor
    that is finite again, as the softmax of a mask of -Inf, ends a path.
    """
    ends = [span for span in graph.spans if span.end <= graph.loss_start]
    outputs = [
        tensor
        for span in ends
        for operation in graph.operations[span.end - 1 : span.end]
        for tensor in operation.outputs
    ]
    position = graph.position
    for targets in ([graph.loss], graph.gradients, outputs):
        origins = _origins([target for target in targets if target.name in lost], lost)
        if origins:
            return min(origins, key=lambda operation: position[operation.name])
    return None


def _origins(targets: Sequence[Any], lost: Mapping[str, Counts]) -> list[Any]:
    """The operations that made the values from which `targets` were computed."""
    origins: dict[str, Any] = {}
    visited: set[str] = set()
    pending = list(targets)
    while pending:
        tensor = pending.pop()
        if tensor.name in visited:
            continue
        visited.add(tensor.name)
        sources = _sources(tensor, lost)
        if sources:
            pending += sources
        else:
            origins[tensor.op.name] = tensor.op
    return list(origins.values())


def _sources(tensor: Any, lost: Mapping[str, Counts]) -> list[Any]:
    """The inputs that `tensor` has its lost values from; none where its operation made them."""
    inputs = [source for source in tensor.op.inputs if source.name in lost]
    if lost[tensor.name].nan:
        with_nan = [source for source in inputs if lost[source.name].nan]
        if with_nan:
            return with_nan
    if all(_is_constant(source) for source in inputs):
        return []
    return [source for source in inputs if not _is_constant(source)]


def _is_constant(tensor: Any) -> bool:
    """Whether a tensor holds infinite values that the program wrote, or chose by a mask."""
    while (
        tensor.op.type in ("Cast", "Reshape", "Identity", "ExpandDims", "Neg") and tensor.op.inputs
    ):
        if tensor.op.type == "Cast" and tensor.op.inputs[0].dtype.size > tensor.dtype.size:
            return False
        tensor = tensor.op.inputs[0]
    if tensor.op.type in ("SelectV2", "Select"):
        return any(_is_constant(source) for source in tensor.op.inputs[1:])
    return tensor.op.type in _CONSTANTS
