"""Which tensors of a traced forward pass the loss depends on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import ops as graph

CALLS = ("PartitionedCall", "StatefulPartitionedCall", "While", "StatelessWhile", "If", "Case")
"""Operations that run a graph of their own. TensorFlow differentiates them without looking up a
gradient function by their name."""


def tensor_name(tensor: Any) -> str:
    """Name of a graph tensor without the casts that mixed precision inserts after it."""
    while tensor.op.type in ("Cast", "Identity") and tensor.op.inputs[0].dtype.is_floating:
        tensor = tensor.op.inputs[0]
    return str(tensor.name)


class ReachedTensors:
    """The tensors that get a gradient of `ends`."""

    def __init__(self, ends: Sequence[Any]) -> None:
        self._names: set[str] = set()
        waiting = [tensor for tensor in ends if _has_gradient(tensor)]
        while waiting:
            tensor = waiting.pop()
            if tensor.name in self._names:
                continue
            self._names.add(tensor.name)
            if _differentiable(tensor.op):
                waiting += [t for t in tensor.op.inputs if _has_gradient(t)]

    def has(self, tensor: Any) -> bool:
        """Whether a gradient of the ends comes back to `tensor`."""
        return tensor.name in self._names


def _differentiable(op: Any) -> bool:
    """Whether a gradient passes back through `op`: none through rounding and ``stop_gradient``."""
    if op.type in CALLS:
        return True
    if op.type == "PreventGradient":
        return False
    try:
        return graph.get_gradient_function(op) is not None
    except LookupError:
        return False


def _has_gradient(tensor: Any) -> bool:
    """Whether a tensor of this type can have a gradient; the tensor lists of loops are variants."""
    return not (tensor.dtype.is_integer or tensor.dtype.is_bool or tensor.dtype == tf.string)
