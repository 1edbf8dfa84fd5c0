"""Sums over the values of like tensors [batch, unit], and the moments they give.

A step is short, so what costs is the number of readings and of operations. `read` takes each value
once per sum, in float32; that is exact as long as no square leaves float32's range and no variance
is the small difference of large sums, which `safe` tells. `exact` is the same in float64 with
deviations from the mean (two passes), where 1e-30 stays apart from zero and a spread of 1e-3
around 1 is no rounding.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

SMALLEST_NORMAL = 1.1754943508222875e-38
"""Below it float32 has only subnormals, which TensorFlow flushes to zero on a CPU."""

SAFE = (1e-30, 1e30)
"""Mean squares between which float32 loses nothing: terms below 1e-38 are 1e-8 of the smallest."""

SPREAD = 0.01
"""Variance over second moment above which the difference of two float32 sums keeps five digits."""

TOGETHER = 2**13
"""Values of a tensor up to which copying it beside others costs less than operations of its own."""


def read(z: Sequence[Any], a: Sequence[Any], delta: Sequence[Any], *, jit: bool) -> Any:
    """Sums of equally shaped tensors [batch, unit], in their own type: [9, tensor].

    Sums of z, a and delta; of their squares; of the squares of a's sums per unit; and the numbers
    of values of a and of delta that are not zero (subnormals count as zero, as everywhere in
    TensorFlow). `jit` says that XLA compiles it, which has no operation for a norm.
    """
    if z[0].shape.num_elements() <= TOGETHER:
        return _read_together(tf.stack([*z, *a, *delta]), len(z), jit)
    units = [_unit_sums(tensor) for tensor in a]
    nonzero = [2.0 * tf.nn.l2_loss(tf.sign(tensor)) for tensor in (*a, *delta)]
    rows = [
        *(tf.reduce_sum(tensor) for tensor in z),
        *(tf.reduce_sum(unit) for unit in units),
        *(tf.reduce_sum(tensor) for tensor in delta),
        *(2.0 * tf.nn.l2_loss(tensor) for tensor in (*z, *a, *delta)),
        *(2.0 * tf.nn.l2_loss(unit) for unit in units),
        *nonzero,
    ]
    return tf.reshape(tf.stack(rows), [9, len(z)])


def _read_together(stack: Any, count: int, jit: bool) -> Any:
    squares = _squares_fused if jit else _squares
    units = tf.reduce_sum(stack, 1)
    rows = [
        tf.reduce_sum(units, 1),
        squares(stack, [1, 2]),
        squares(units[count : 2 * count], [1]),
        squares(tf.sign(stack[count:]), [1, 2]),
    ]
    return tf.reshape(tf.concat(rows, 0), [9, count])


def _squares(x: Any, axes: list[int]) -> Any:
    """Sums of squares, by the one operation that takes them in one pass without a copy."""
    return tf.square(tf.raw_ops.EuclideanNorm(input=x, axis=axes))


def _squares_fused(x: Any, axes: list[int]) -> Any:
    """Sums of squares where XLA fuses the two operations."""
    return tf.reduce_sum(tf.square(x), axes)


def _unit_sums(x: Any) -> Any:
    """Sums over the batch, by the product that vectorises best."""
    return tf.matmul(tf.ones([1, x.shape[0]], x.dtype), x)


def of_sums(sums: Any, sizes: np.ndarray, batches: np.ndarray) -> Any:
    """Moments from the float64 sums of `read`: float64 [12, tensor].

    Means of z, a and delta, their mean squares, their variances; the variance of a over the batch
    for each unit, averaged over units; and the two numbers of nonzero values. `sizes` are the
    values of each tensor and `batches` the length of its first axis.
    """
    per_value = sums[:7] / np.stack([sizes] * 6 + [sizes * batches])
    means, squares = per_value[:3], per_value[3:6]
    within = squares[1] - per_value[6]
    return tf.concat([means, squares, squares - tf.square(means), [within], sums[7:]], 0)


def safe(moments: Any) -> Any:
    """Whether the float32 sums told the truth about all tensors; no NaN or Inf passes.

    An `a` or a delta that holds nothing but zeros is told exactly.
    """
    squares, no_a, no_delta = moments[3:6], moments[10] == 0.0, moments[11] == 0.0
    true = (squares > SAFE[0]) & (squares < SAFE[1]) & (moments[6:9] > SPREAD * squares)
    z, a, delta = tf.unstack(true)
    a &= moments[9] > SPREAD * squares[1]
    return tf.reduce_all(z & (a | no_a) & (delta | no_delta))


def exact(z: Sequence[Any], a: Sequence[Any], delta: Sequence[Any]) -> Any:
    """The moments of `of_sums`, then the numbers of NaN and Inf in z, a, delta: float64 [15, n]."""
    kinds = [_exact(z, 0.0), _exact(a, 0.0), _exact(delta, SMALLEST_NORMAL)]
    mean, square, variance, within, nonzero, lost = tf.unstack(tf.stack(kinds, 1))
    return tf.concat([mean, square, variance, within[1:2], nonzero[1:], lost], 0)


def _exact(tensors: Sequence[Any], smallest: float) -> Any:
    if tensors[0].shape.num_elements() <= TOGETHER:
        return _two_passes(tf.stack(tensors), smallest)
    return tf.concat([_two_passes(tensor[tf.newaxis], smallest) for tensor in tensors], 1)


def _two_passes(stack: Any, smallest: float) -> Any:
    """Mean, mean square, variance, variance over the batch, nonzero and non-finite: [6, tensor].

    Values below `smallest` count as zero. Pooled and per-unit variances come from the same
    deviations by the identity of Chan, Golub and LeVeque (1983): pooled variance = mean of the
    units' variances + variance of the units' means.
    """
    x = tf.cast(stack, tf.float64)
    means = tf.reduce_mean(x, 1, keepdims=True)
    within = tf.reduce_mean(tf.math.squared_difference(x, means), [1, 2])
    means = tf.squeeze(means, 1)
    mean = tf.reduce_mean(means, 1, keepdims=True)
    variance = within + tf.reduce_mean(tf.math.squared_difference(means, mean), 1)
    mean = tf.squeeze(mean, 1)
    zero = tf.abs(x) < smallest if smallest else tf.equal(x, 0.0)
    counts = [_count(~zero), _count(~tf.math.is_finite(stack))]
    return tf.stack([mean, variance + tf.square(mean), variance, within, *counts])


def _count(truth: Any) -> Any:
    return tf.reduce_sum(tf.cast(truth, tf.float64), [1, 2])
