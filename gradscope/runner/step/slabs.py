"""Sums for XLA on a CPU, which vectorises what it adds up element by element, and little else.

XLA turns a reduction into scalar code, one value after another, and has no operation for a norm. A
tensor that is cut into slabs which are added to each other is reduced by vector additions instead.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

SLABS = 8
"""Most slabs that are added in one expression."""


def sums(stack: Any, count: int) -> Any:
    """The sums of `moments.Reading` [9, tensor] of a stack [z, a and delta; batch; unit]."""
    units = folded(stack)
    _, units_of_a, _ = tf.split(units, 3)
    _, counted = tf.split(stack, [count, 2 * count])
    rows = [
        tf.reduce_sum(units, 1),
        tf.reduce_sum(folded(tf.square(stack)), 1),
        tf.reduce_sum(tf.square(units_of_a), 1),
        tf.reduce_sum(folded(tf.abs(tf.sign(counted))), 1),
    ]
    return tf.reshape(tf.concat(rows, 0), [9, count])


def squares_and_totals(tensors: Sequence[Any], totals: Sequence[Any]) -> tuple[Any, Any]:
    """Sums of squares of `tensors`, and sums of `totals`: [tensor] each, float64."""
    return (
        _by_shape(tensors, lambda stack: tf.reduce_sum(folded(tf.square(stack)), 1)),
        _by_shape(totals, lambda stack: tf.reduce_sum(folded(stack), 1)),
    )


def _by_shape(tensors: Sequence[Any], reduce: Callable[[Any], Any]) -> Any:
    """Reduce matrices to numbers, those of one shape together, and give them in their order."""
    alike: dict[tuple[Any, ...], list[int]] = {}
    for place, tensor in enumerate(tensors):
        alike.setdefault((tuple(tensor.shape), tensor.dtype), []).append(place)
    found = [
        tf.cast(reduce(tf.stack([_matrix(tensors[i]) for i in places])), tf.float64)
        for places in alike.values()
    ]
    order = [place for places in alike.values() for place in places]
    return tf.gather(tf.concat(found, 0), np.argsort(order))


def _matrix(x: Any) -> Any:
    return x if x.shape.rank == 2 else tf.reshape(x, [-1, x.shape[-1]])


def folded(x: Any) -> Any:
    """The sum over the second axis of x [tensor, row, column]."""
    rows = int(x.shape[1])
    while rows > 1:
        count = max((d for d in range(2, SLABS + 1) if rows % d == 0), default=0)
        if not count:
            return tf.reduce_sum(x, 1)
        x = tf.add_n(tf.split(x, count, axis=1))
        rows //= count
    return tf.squeeze(x, 1)
