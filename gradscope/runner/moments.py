"""Moments of many tensors at once, as few TensorFlow operations.

Tensors [batch, ...] of one batch size are laid side by side as the columns of one matrix
[batch, columns]; two reductions over the batch give every column's mean and squared deviation, and
the rest is arithmetic on short vectors. Every figure is float64: the values are cast before they
are squared, so 1e-30 stays apart from zero, and variances are taken about the mean (two passes),
since E x^2 - (E x)^2 cancels. Pooled and per-unit variances come from the same deviations by the
identity of Chan, Golub and LeVeque (1983): pooled variance = mean of the columns' variances +
variance of the columns' means.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

SMALLEST_NORMAL = 1.1754943508222875e-38
"""Below it float32 has only subnormals, which TensorFlow flushes to zero on a CPU."""


@dataclass(frozen=True)
class Columns:
    """Tensors side by side: which columns belong to which of them."""

    sizes: tuple[int, ...]

    def per_tensor(self, columns: Any) -> Any:
        """Mean over each tensor's columns: float64 [..., columns] -> [..., tensor]."""
        if len(set(self.sizes)) == 1:
            shape = [*columns.shape[:-1], len(self.sizes), self.sizes[0]]
            return tf.reduce_mean(tf.reshape(columns, shape), -1)
        owners = np.repeat(np.arange(len(self.sizes)), self.sizes)
        sums = tf.math.unsorted_segment_sum(
            tf.transpose(columns), tf.constant(owners, tf.int32), len(self.sizes)
        )
        return tf.transpose(sums) / tf.constant(self.sizes, tf.float64)

    def spread(self, values: Any) -> Any:
        """Give each column its tensor's value: [..., tensor] -> [..., columns]."""
        return tf.repeat(values, tf.constant(self.sizes), axis=-1)


@dataclass(frozen=True)
class Moments:
    """Moments per tensor, each float64 [..., tensor]."""

    mean: Any
    second_moment: Any
    variance: Any
    sample_variance: Any


def flat(tensors: Sequence[Any]) -> tuple[Any, Columns]:
    """Lay tensors [batch, ...] side by side: [batch, columns]."""
    matrices = [tf.reshape(tensor, [tensor.shape[0], -1]) for tensor in tensors]
    columns = Columns(tuple(int(matrix.shape[1]) for matrix in matrices))
    return (tf.concat(matrices, 1) if len(matrices) > 1 else matrices[0]), columns


def moments(values: Any, columns: Columns) -> Moments:
    """Moments of each tensor of `values` [..., batch, columns] (any float type)."""
    wide = tf.cast(values, tf.float64)
    means = tf.reduce_mean(wide, -2, keepdims=True)
    deviations = tf.reduce_mean(tf.math.squared_difference(wide, means), -2)
    means = tf.squeeze(means, -2)
    mean = columns.per_tensor(means)
    between = columns.per_tensor(tf.math.squared_difference(means, columns.spread(mean)))
    within = columns.per_tensor(deviations)
    variance = within + between
    return Moments(mean, variance + tf.square(mean), variance, within)


def share(condition: Any, columns: Columns) -> Any:
    """Share of true values of each tensor: bool [batch, columns] -> float64 [tensor]."""
    return columns.per_tensor(tf.reduce_mean(tf.cast(condition, tf.float64), 0))


def nonfinite(values: Any, columns: Columns) -> Any:
    """Number of NaN and Inf in each tensor of [..., batch, columns]; float64 [..., tensor]."""
    lost = tf.reduce_sum(tf.cast(~tf.math.is_finite(values), tf.float64), -2)
    return columns.per_tensor(lost) * tf.constant(columns.sizes, tf.float64)
