"""Sums over the values of like tensors [batch, unit], and the moments they give.

A step is short, so what costs is the number of readings and of operations. `read` takes each value
once per sum, in float32; that is exact as long as no square leaves float32's range and no variance
is the small difference of large sums. `Reading.exact` is the same in float64 with deviations from
the mean (two passes), where 1e-30 stays apart from zero and a spread of 1e-3 around 1 is no
rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gradscope.runner.step import slabs

SMALLEST_NORMAL = 1.1754943508222875e-38
"""Below it float32 has only subnormals, which TensorFlow flushes to zero on a CPU."""

SAFE = (1e-30, 1e30)
"""Mean squares between which float32 loses nothing: terms below 1e-38 are 1e-8 of the smallest."""

SPREAD = 0.01
"""Variance over second moment above which the difference of two float32 sums keeps five digits."""

TOGETHER = 2**13
"""Values of a tensor up to which copying it beside others costs less than operations of its own."""


@dataclass(frozen=True)
class Reading:
    """What one reading of equally shaped tensors [batch, unit] gave.

    `sums` [9, tensor], in the tensors' type: the sums of z, a and delta; of their squares; of the
    squares of a's sums per unit; and the numbers of values of a and of delta that are not zero
    (subnormals count as zero, as everywhere in TensorFlow). ``exact()`` reads the tensors again:
    float64 [15, tensor], the rows of `of_sums`, then the numbers of NaN and Inf in z, a and delta.
    """

    sums: Any
    exact: Callable[[], Any]


def read(z: Sequence[Any], a: Sequence[Any], delta: Sequence[Any], *, jit: bool) -> Reading:
    """Read z, a and delta once; `jit` says that XLA compiles it, which other operations suit."""
    if jit or z[0].shape.num_elements() <= TOGETHER:
        stack = tf.stack([*z, *a, *delta])
        sums = slabs.sums if jit else _sums_together
        return Reading(sums(stack, len(z)), lambda: _exact_together(stack))
    units = [_unit_sums(tensor) for tensor in a]
    rows = [
        *(tf.reduce_sum(tensor) for tensor in z),
        *(tf.reduce_sum(unit) for unit in units),
        *(tf.reduce_sum(tensor) for tensor in delta),
        *(_square(tensor) for tensor in (*z, *a, *delta)),
        *(_square(unit) for unit in units),
        *(_square(tf.sign(tensor)) for tensor in (*a, *delta)),
    ]
    sums = tf.reshape(tf.stack(rows), [9, len(z)])
    return Reading(sums, lambda: _exact_apart(z, a, delta))


def _sums_together(stack: Any, count: int) -> Any:
    units = tf.reduce_sum(stack, 1)
    _, units_of_a, _ = tf.split(units, 3)
    _, counted = tf.split(stack, [count, 2 * count])
    rows = [
        tf.reduce_sum(units, 1),
        _squares(stack, [1, 2]),
        _squares(units_of_a, [1]),
        tf.round(_squares(tf.sign(counted), [1, 2])),  # the root of a count need not be exact
    ]
    return tf.reshape(tf.concat(rows, 0), [9, count])


def _squares(x: Any, axes: list[int]) -> Any:
    """Sums of squares, by the one operation that takes them in one pass without a copy."""
    return tf.square(tf.raw_ops.EuclideanNorm(input=x, axis=axes))


def _square(x: Any) -> Any:
    """The sum of squares of a whole tensor."""
    return 2.0 * tf.raw_ops.L2Loss(t=x)


def _unit_sums(x: Any) -> Any:
    """Sums over the batch, by the product that vectorises best."""
    return tf.matmul(tf.ones([1, x.shape[0]], x.dtype), x)


def of_sums(sums: Any, sizes: np.ndarray, batches: np.ndarray) -> tuple[Any, Any]:
    """Moments from the float64 sums of `read`: [12, tensor], and whether they tell the truth.

    Means of z, a and delta, their mean squares, their variances; the variance of a over the batch
    for each unit, averaged over units; and the two numbers of nonzero values. `sizes` are the
    values of each tensor and `batches` the length of its first axis.

    They are true as long as every square stayed inside float32's range and every variance is a
    fair share of its second moment. No NaN or Inf passes; an `a` or a delta that holds nothing but
    zeros is told exactly.
    """
    inverse = 1.0 / np.stack([*[sizes] * 6, sizes * batches])
    sums, nonzero = tf.split(sums, [7, 2])
    means, squares, between = tf.split(sums * inverse, [3, 3, 1])
    of_a = tf.split(squares, 3)[1]
    spreads = squares - tf.square(means)
    within = of_a - between
    true = (squares > SAFE[0]) & (squares < SAFE[1]) & (spreads > SPREAD * squares)
    no_a, no_delta = tf.split(nonzero == 0.0, 2)
    z, a, delta = tf.split(true, 3)
    a = (a & (within > SPREAD * of_a)) | no_a
    safe = tf.reduce_all(tf.concat([z, a, delta | no_delta], 0))
    return tf.concat([means, squares, spreads, within, nonzero], 0), safe


def _exact_together(stack: Any) -> Any:
    z, a, delta = tf.split(stack, 3)
    return _rows(_two_passes(z, 0.0), _two_passes(a, 0.0), _two_passes(delta, SMALLEST_NORMAL))


def _exact_apart(z: Sequence[Any], a: Sequence[Any], delta: Sequence[Any]) -> Any:
    return tf.concat(
        [
            _rows(
                _two_passes(one[tf.newaxis], 0.0),
                _two_passes(other[tf.newaxis], 0.0),
                _two_passes(third[tf.newaxis], SMALLEST_NORMAL),
            )
            for one, other, third in zip(z, a, delta, strict=True)
        ],
        1,
    )


def _rows(*kinds: Any) -> Any:
    """The order of `of_sums` from the figures of z, of a and of delta [6, tensor]."""
    mean, square, variance, within, nonzero, lost = tf.unstack(tf.stack(kinds, 1))
    return tf.concat([mean, square, variance, within[1:2], nonzero[1:], lost], 0)


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
    counts = [_count(~zero), nonfinite(stack, [1, 2])]
    return tf.stack([mean, variance + tf.square(mean), variance, within, *counts])


def _count(truth: Any) -> Any:
    return tf.reduce_sum(tf.cast(truth, tf.float64), [1, 2])


def nonfinite(values: Any, axes: list[int] | None = None) -> Any:
    """Number of NaN and Inf over `axes` (all of them by default), float64."""
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(values), tf.float64), axes)
