"""Sums over the values of tensors of one shape [batch, unit], and the moments they give.

A step is short, so what costs is the number of passes over the values and of operations.
`read_sums` takes each sum in one pass in the tensors' own type (float32). The sums of `a` that give
variances are taken of the differences to the first sample's values: a variance over the batch is
the same for them, and their squares are as small as the variance itself, however large the mean is.
`Sums.exact` is the same in float64 with deviations from the mean (two passes), for everything that
`moments_of_sums` does not accept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gradscope.runner.step.reductions import Reductions, Tensors
from gradscope.runner.step.sizes import known_size, lengths

SMALLEST_NORMAL = 1.1754943508222875e-38
"""Below it float32 has only subnormals, which TensorFlow flushes to zero on a CPU."""

SAFE = (1e-30, 1e30)
"""Mean squares between which float32 loses nothing: terms below 1e-38 are 1e-8 of the smallest."""

SPREAD = 0.2
"""Least variance over second moment for which the difference of two float32 sums is used.

The difference multiplies the relative error of the sums by up to 1 / SPREAD. A float32 sum of
values like these is within 4e-7, whatever the width of the processor's vectors (measured for 300 to
1,000,000 values with Eigen's sums, tests/runner/step/test_variances.py), so a variance is within
2e-6 of its size; 1e-5 is promised."""

SPREAD_OF_MEANS = 1e-6
"""The same for the difference of two float64 sums of the means of units."""


@dataclass(frozen=True)
class Sums:
    """The sums of equally shaped tensors [batch, unit].

    `fast` float64 [10, tensor], from one float32 pass each, with d = a minus the first sample's a:
    the sums of z and of delta; of their squares; of d^2; the numbers of values of delta and of a
    that are not zero (subnormals count as zero, as everywhere in TensorFlow); the sums over units
    of a's mean over the batch, of (the sum of d over the batch)^2, and of that mean's square.
    ``exact()`` reads the tensors again: float64 [15, tensor], the rows of `moments_of_sums`, then
    the numbers of NaN and Inf in z, delta and a.
    """

    fast: Any
    exact: Callable[[], Any]


def read_sums(
    z: Sequence[Any], a: Sequence[Any], delta: Sequence[Any], reductions: Reductions
) -> Sums:
    """Sum z, a and delta of some layers, in one stack where the tensors are small."""
    count, batch = len(z), lengths(z[:1])[0]
    if known_size(z[0]) > reductions.stacking_limit:
        first = tf.concat([tensor[:1] for tensor in a], 0)
        fast = _fast_sums(
            [*z, *delta], [*delta, *a], list(a), first, batch=batch, reductions=reductions
        )
        return Sums(fast, lambda: _exact_separately(z, a, delta))
    stack = tf.stack([*z, *delta, *a])
    z_and_delta, a_stack = tf.split(stack, [2 * count, count])
    _, delta_and_a = tf.split(stack, [count, 2 * count])
    fast = _fast_sums(
        z_and_delta, delta_and_a, a_stack, a_stack[:, 0], batch=batch, reductions=reductions
    )
    return Sums(fast, lambda: _exact_stacked(stack))


def _fast_sums(
    z_and_delta: Tensors,
    delta_and_a: Tensors,
    a: Tensors,
    first: Any,
    *,
    batch: Any,
    reductions: Reductions,
) -> Any:
    """The rows of `Sums.fast`; `first` [tensor, unit] is the first sample of a."""
    differences = reductions.differences(a)
    rows = [
        reductions.sums(z_and_delta),
        reductions.square_sums(z_and_delta),
        reductions.square_sums(differences),
        reductions.nonzero_counts(delta_and_a),
    ]
    sums = tf.cast(reductions.row_sums(differences), tf.float64)
    means = tf.cast(first, tf.float64) + sums / batch
    squares = tf.reduce_sum(tf.square(tf.stack([sums, means])), 2)
    wide = [
        tf.cast(tf.concat(rows, 0), tf.float64),
        tf.reduce_sum(means, 1),
        tf.reshape(squares, [-1]),
    ]
    return tf.reshape(tf.concat(wide, 0), [10, len(a) if isinstance(a, list) else a.shape[0]])


def moments_of_sums(sums: Any, sizes: Any, batches: Any) -> tuple[Any, Any]:
    """Moments from `Sums.fast`: float64 [12, tensor], and whether all of them hold 1e-5.

    Means of z, delta and a, their mean squares, their variances; the variance of a over the batch
    for each unit, averaged over units; and the numbers of nonzero values of delta and of a. `sizes`
    are the values of each tensor and `batches` the length of its first axis.

    The pooled variance of a is the mean of the units' variances plus the variance of the units'
    means (Chan, Golub and LeVeque 1983), which are sums of terms that are not negative. They hold
    1e-5 as long as every square stayed inside float32's range and no variance is a small difference
    of large sums. No NaN or Inf is accepted; an `a` or a delta that holds nothing but zeros is
    measured exactly.
    """
    known = not (tf.is_tensor(sizes) or tf.is_tensor(batches))
    ones = np.ones(sizes.shape)
    units = sizes / batches
    divisors = (np.stack if known else tf.stack)(
        [*[sizes] * 5, ones, ones, units, sizes * batches, units]
    )
    parts = tf.split(sums / divisors, [2, 2, 1, 2, 1, 1, 1])
    means, squares, difference, nonzero, mean_a, between, unit_mean_square = parts
    within = difference - between
    means = tf.concat([means, mean_a], 0)
    in_range = tf.concat([squares, difference], 0)
    squares = tf.concat([squares, within + unit_mean_square], 0)
    variances = squares - tf.square(means)
    in_range = (in_range > SAFE[0]) & (in_range < SAFE[1])
    least = np.array([[SPREAD], [SPREAD], [SPREAD_OF_MEANS]])
    z, delta, a = tf.split(in_range & (variances > least * squares), 3)
    no_delta, no_a = tf.split(nonzero == 0.0, 2)
    a = (a & (within > SPREAD * difference)) | no_a
    safe = tf.reduce_all(tf.concat([z, delta | no_delta, a], 0))
    return tf.concat([means, squares, variances, within, nonzero], 0), safe


def _exact_stacked(stack: Any) -> Any:
    z, delta, a = tf.split(stack, 3)
    return _rows(_two_passes(z, 0.0), _two_passes(delta, SMALLEST_NORMAL), _two_passes(a, 0.0))


def _exact_separately(z: Sequence[Any], a: Sequence[Any], delta: Sequence[Any]) -> Any:
    triples = zip(z, delta, a, strict=True)
    return tf.concat([_exact_stacked(tf.stack(triple)) for triple in triples], 1)


def _rows(*quantities: Any) -> Any:
    """The order of `moments_of_sums` from the figures of z, of delta and of a [6, tensor]."""
    mean, square, variance, within, nonzero, nonfinite = tf.unstack(tf.stack(quantities, 1))
    return tf.concat([mean, square, variance, within[2:], nonzero[1:], nonfinite], 0)


def _two_passes(stack: Any, smallest: float) -> Any:
    """Mean, mean square, variance, variance over the batch, nonzero and non-finite: [6, tensor].

    Values below `smallest` count as zero. Pooled and per-unit variances come from the same
    deviations by the identity of Chan, Golub and LeVeque (1983): pooled variance = mean of the
    units' variances + variance of the units' means. A variance of equal values is exactly 0.
    """
    x = tf.cast(stack, tf.float64)
    means, within = _mean_and_variance(x, 1)
    mean, between = _mean_and_variance(means, 1)
    within = tf.reduce_mean(within, 1)
    variance = within + between
    zero = tf.abs(x) < smallest if smallest else tf.equal(x, 0.0)
    counts = [_count(~zero), nonfinite_count(stack, [1, 2])]
    return tf.stack([mean, variance + tf.square(mean), variance, within, *counts])


def _mean_and_variance(x: Any, axis: int) -> tuple[Any, Any]:
    """Mean and variance over an axis, of the differences to the first value along it."""
    first = tf.gather(x, [0], axis=axis)
    differences = x - first
    mean = tf.reduce_mean(differences, axis, keepdims=True)
    variance = tf.reduce_mean(tf.math.squared_difference(differences, mean), axis)
    return tf.squeeze(first + mean, axis), variance


def _count(truth: Any) -> Any:
    return tf.reduce_sum(tf.cast(truth, tf.float64), [1, 2])


def nonfinite_count(values: Any, axes: list[int] | None = None) -> Any:
    """Number of NaN and Inf over `axes` (all of them by default), float64."""
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(values), tf.float64), axes)
