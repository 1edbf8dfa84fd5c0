"""The statistics themselves, as TensorFlow operations on stacks of equally shaped tensors.

Every figure is computed in float64 from the float32 values as they are: squares of 1e-30 stay
apart from zero, and variances are two-pass (mean first), since E x^2 - (E x)^2 cancels.
All functions take a stack [site, ...] and give one float64 value per site, [site].
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

SMALLEST_NORMAL = 1.1754943508222875e-38
"""Below it float32 has only subnormals, which TensorFlow flushes to zero on a CPU."""


def _axes(stack: Any) -> list[int]:
    return list(range(1, stack.shape.rank))


def mean(stack: Any) -> Any:
    """Mean of each site's values."""
    return tf.reduce_mean(stack, _axes(stack))


def second_moment(stack: Any) -> Any:
    """Mean square of each site's values."""
    return tf.reduce_mean(tf.square(stack), _axes(stack))


def variance(stack: Any) -> Any:
    """Population variance of each site's values, in two passes."""
    axes = _axes(stack)
    centre = tf.reduce_mean(stack, axes, keepdims=True)
    return tf.reduce_mean(tf.math.squared_difference(stack, centre), axes)


def sample_variance(stack: Any) -> Any:
    """Variance over the batch (axis 1) for each unit, then the mean over units."""
    centre = tf.reduce_mean(stack, 1, keepdims=True)
    return tf.reduce_mean(tf.math.squared_difference(stack, centre), _axes(stack))


def share(condition: Any) -> Any:
    """Share of true values per site."""
    return tf.reduce_mean(tf.cast(condition, tf.float64), _axes(condition))


def nonfinite(stack: Any) -> Any:
    """Number of NaN and Inf per site."""
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(stack), tf.float64), _axes(stack))


def underflow(delta: Any, derivative: Any) -> Any:
    """Share of `delta` too small for float32, among the values whose derivative lets a signal pass.

    Both [site, batch, unit]; 0 where no value lets a signal pass.
    """
    passing = tf.cast(derivative != 0, tf.float64)
    lost = tf.cast(tf.abs(delta) < SMALLEST_NORMAL, tf.float64) * passing
    axes = _axes(delta)
    return tf.math.divide_no_nan(tf.reduce_sum(lost, axes), tf.reduce_sum(passing, axes))
