"""Loss scaling: the factor of the loss in mixed precision, which no figure contains.

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
from gradscope.runner.runtime.precision import float32_or_wider

_BACKWARD = [name in complete_after(Pass.BACKWARD) for name in STATISTICS]
_NAMES = list(STATISTICS)


def current_scale(optimizer: Any) -> Any:
    """The factor of the loss in this step: a number, or a tensor where the optimizer adapts it."""
    return optimizer.scale_loss(1.0)


def is_dynamic(optimizer: Any) -> bool:
    """Whether the optimizer finds its scale by overflows."""
    return isinstance(optimizer, keras.optimizers.LossScaleOptimizer)


def unscaled(gradients: Sequence[Any], scale: Any) -> list[Any]:
    """The gradients as the optimizer will use them; None stays None."""
    if isinstance(scale, float) and scale == 1.0:
        return list(gradients)
    # Wide enough for the small gradients that scaling preserved.
    wide = [None if g is None else float32_or_wider(g) for g in gradients]
    return [None if g is None else g / tf.cast(scale, g.dtype) for g in wide]


def without_overflow(figures: Any, gradients: Sequence[Any]) -> Any:
    """Replace the backward figures [statistic, layer] by NaN where scaled gradients overflowed."""
    dense = [tf.convert_to_tensor(g) for g in gradients if g is not None]
    finite = [tf.reduce_all(tf.math.is_finite(gradient)) for gradient in dense]
    overflowed = ~tf.reduce_all(tf.stack(finite))
    backward = tf.constant(_BACKWARD)[:, tf.newaxis]
    without = tf.where(backward, tf.constant(math.nan, tf.float64), figures)
    forward = figures[_NAMES.index("nonfinite_forward_count")]
    rows = [_NAMES.index("nonfinite_count"), _NAMES.index("nonfinite_backward_count")]
    counted = tf.stack([forward, tf.zeros_like(forward)])
    counted = tf.where(tf.math.is_nan(tf.gather(figures, rows)), tf.gather(figures, rows), counted)
    without = tf.tensor_scatter_nd_update(without, [[i] for i in rows], counted)
    return tf.where(overflowed, without, figures)
