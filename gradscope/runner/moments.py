"""Moments of equally shaped tensors, in as few operations as they take.

`x` is a stack [tensor, batch, unit]. Variances are taken about the mean (two passes), since
E x^2 - (E x)^2 cancels; pooled and per-unit variances come from the same deviations by the identity
of Chan, Golub and LeVeque (1983): pooled variance = mean of the units' variances + variance of the
units' means. float32 sums lose nothing as long as no square leaves float32's range, which `safe`
tells; else the same is done in float64, where 1e-30 stays apart from zero.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

SMALLEST_NORMAL = 1.1754943508222875e-38
"""Below it float32 has only subnormals, which TensorFlow flushes to zero on a CPU."""

SAFE = (1e-30, 1e30)
"""Mean squares between which float32 loses nothing: terms below 1e-38 are 1e-8 of the smallest."""


def moments(x: Any) -> Any:
    """Mean, second moment, variance and per-unit variance: float64 [4, tensor].

    The per-unit variance is over the batch for each unit, then its mean over units. The sums run in
    the type of `x`.
    """
    means = tf.reduce_mean(x, 1, keepdims=True)
    deviations = tf.reduce_mean(tf.math.squared_difference(x, means), 1)
    means = tf.cast(tf.squeeze(means, 1), tf.float64)
    mean = tf.reduce_mean(means, 1, keepdims=True)
    between = tf.reduce_mean(tf.math.squared_difference(means, mean), 1)
    within = tf.reduce_mean(tf.cast(deviations, tf.float64), 1)
    mean = tf.squeeze(mean, 1)
    variance = within + between
    return tf.stack([mean, variance + tf.square(mean), variance, within])


def safe(found: Any) -> Any:
    """Whether float32 sums told the truth: every spread well inside float32's range."""
    spreads = found[1:]
    return tf.reduce_all((spreads > SAFE[0]) & (spreads < SAFE[1]))


def nonfinite(x: Any) -> Any:
    """Number of NaN and Inf of each tensor of a stack: float64 [tensor]."""
    lost = tf.cast(~tf.math.is_finite(x), tf.float64)
    return tf.reduce_sum(lost, list(range(1, x.shape.rank)))
