"""Loss scaling: what mixed precision multiplies the loss by, taken out of every figure again.

The optimizer divides the gradients by the scale before it uses them. One that adapts its scale
(`LossScaleOptimizer`) leaves the weights alone in a step whose scaled gradients overflowed, and
halves the scale: such a step says nothing about the network, so its backward figures are NaN.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from gradscope.record import STATISTICS
from gradscope.record.statistics import Pass, complete_after

_BACKWARD = [name in complete_after(Pass.BACKWARD) for name in STATISTICS]
_NAMES = list(STATISTICS)


def of(optimizer: Any) -> Any:
    """The factor of the loss in this step: a number, or a tensor where the optimizer adapts it."""
    return optimizer.scale_loss(1.0)


def adapts(optimizer: Any) -> bool:
    """Whether overflows are part of the optimizer's way of finding its scale."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def unscaled(gradients: Sequence[Any], scale: Any) -> list[Any]:
    """The gradients as the optimizer will use them; None stays None."""
    if isinstance(scale, float) and scale == 1.0:
        return list(gradients)
    return [None if g is None else _wide(g) / tf.cast(scale, _wide(g).dtype) for g in gradients]


def _wide(gradient: Any) -> Any:
    """Dense, and wide enough for what scaling kept from being lost."""
    dense = tf.convert_to_tensor(gradient)
    return tf.cast(dense, tf.float32) if dense.dtype.size < 4 else dense


def without_overflow(figures: Any, gradients: Sequence[Any]) -> Any:
    """Take the backward figures [statistic, layer] out where the scaled gradients overflowed."""
    given = [tf.convert_to_tensor(g) for g in gradients if g is not None]
    finite = [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in given]
    overflowed = ~tf.reduce_all(tf.stack(finite))
    backward = tf.constant(_BACKWARD)[:, tf.newaxis]
    absent = tf.where(backward, tf.constant(math.nan, tf.float64), figures)
    forward = figures[_NAMES.index("nonfinite_forward_count")]
    at = [_NAMES.index("nonfinite_count"), _NAMES.index("nonfinite_backward_count")]
    counted = tf.stack([forward, tf.zeros_like(forward)])
    counted = tf.where(tf.math.is_nan(tf.gather(figures, at)), tf.gather(figures, at), counted)
    absent = tf.tensor_scatter_nd_update(absent, [[i] for i in at], counted)
    return tf.where(overflowed, absent, figures)
