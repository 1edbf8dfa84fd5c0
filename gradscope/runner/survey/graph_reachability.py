"""Which tensors of a traced forward pass the loss depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops as graph

CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "If", "Case")
"""Operations that run a graph of their own: its gradient is known to the tape, not by its name."""


def name_of(tensor: Any) -> Any:
    """What identifies a tensor of a graph, seen through the casts that mixed precision puts in."""
    while tensor.op.type in ("Cast", "Identity") and tensor.op.inputs[0].dtype.is_floating:
        tensor = tensor.op.inputs[0]
    return tensor.name


class Flow:
    """The tensors from which a gradient path leads to `ends`."""

    def __init__(self, ends: Sequence[Any]) -> None:
        self._reached: set[str] = set()
        waiting = [tensor for tensor in ends if _carries(tensor)]
        while waiting:
            tensor = waiting.pop()
            if tensor.name in self._reached:
                continue
            self._reached.add(tensor.name)
            if _differentiable(tensor.op):
                waiting += [t for t in tensor.op.inputs if _carries(t)]

    def reaches_loss(self, tensor: Any) -> bool:
        """Whether a gradient of the loss comes back to `tensor`."""
        return tensor.name in self._reached


def _differentiable(op: Any) -> bool:
    """Whether a gradient goes back through it: rounding and ``stop_gradient`` let none through."""
    if op.type in CALLS:
        return True
    if op.type == "PreventGradient":
        return False
    try:
        return graph.get_gradient_function(op) is not None
    except LookupError:
        return False


def _carries(tensor: Any) -> bool:
    """Whether a gradient can flow through it: a list of tensors, as loops pass on, is a variant."""
    return not (tensor.dtype.is_integer or tensor.dtype.is_bool or tensor.dtype == tf.string)
