"""The losses of the wide corpus that Keras has no name for, and changes of any loss."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import ops

Loss = Callable[[Any, Any], Any]


def likelihood(y: Any, p: Any) -> Any:
    """A normal law's mean and log deviation; goes below 0."""
    return p[:, 1:] + 0.5 * ops.square((y - p[:, :1]) * ops.exp(-p[:, 1:]))


def likelihood_by_variance(y: Any, p: Any) -> Any:
    """The same with a deviation that nothing keeps above 0."""
    return ops.log(p[:, 1:]) + 0.5 * ops.square((y - p[:, :1]) / p[:, 1:])


def guarded_likelihood(y: Any, p: Any) -> Any:
    """The same, kept above 0."""
    deviation = ops.softplus(p[:, 1:]) + 1e-3
    return ops.log(deviation) + 0.5 * ops.square((y - p[:, :1]) / deviation)


def mixture(y: Any, p: Any) -> Any:
    """Two normal laws of one width: two weights, two means, a log deviation."""
    log_weight = ops.log_softmax(p[:, :2])
    log = ops.clip(p[:, 4:5], -4.0, 4.0)
    terms = log_weight - log - 0.5 * ops.square((y - p[:, 2:4]) * ops.exp(-log))
    return -ops.logsumexp(terms, axis=-1)


def dice(y: Any, p: Any) -> Any:
    """One minus the overlap of two masks."""
    return 1.0 - (2.0 * ops.sum(y * p) + 1.0) / (ops.sum(y) + ops.sum(p) + 1.0)


def focal(y: Any, p: Any) -> Any:
    """Cross-entropy in which sure answers count little (Lin et al. 2017)."""
    p = ops.clip(p, 1e-6, 1.0 - 1e-6)
    right = y * p + (1.0 - y) * (1.0 - p)
    return -ops.mean(ops.square(1.0 - right) * ops.log(right), axis=-1)


def quantile(y: Any, p: Any) -> Any:
    """The pinball loss of the upper fifth."""
    return ops.mean(ops.maximum(0.8 * (y - p), -0.2 * (y - p)), axis=-1)


def by_hand(y: Any, p: Any) -> Any:
    """Binary cross-entropy without a guard against log(0)."""
    return -ops.mean(y * ops.log(p) + (1.0 - y) * ops.log(1.0 - p), axis=-1)


def softmax_of_softmax(y: Any, p: Any) -> Any:
    """Logits asked for, probabilities given."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(tf.cast(y, tf.int32), p)


def from_logits(y: Any, p: Any) -> Any:
    """Cross-entropy of logits."""
    return keras.losses.sparse_categorical_crossentropy(y, p, from_logits=True)


def labels_of_words(y: Any, p: Any) -> Any:
    """Connectionist temporal classification (Graves et al. 2006)."""
    count = ops.shape(p)[0]
    lengths = [ops.full((count,), size, "int32") for size in (y.shape[1], p.shape[1])]
    return ops.ctc_loss(ops.cast(y, "int32"), p, lengths[0], lengths[1], mask_index=0)


def root_error(y: Any, p: Any) -> Any:
    """The root of the mean square of each sample; its slope at 0 is infinite."""
    return ops.sqrt(ops.mean(ops.square(y - p), axis=-1))


def relative(y: Any, p: Any) -> Any:
    """The error over the target, which may be 0."""
    return ops.mean(ops.abs((y - p) / y), axis=-1)


def guarded_relative(y: Any, p: Any) -> Any:
    """The error over the target, which counts as at least a tenth."""
    return ops.mean(ops.abs(y - p) / ops.maximum(ops.abs(y), 0.1), axis=-1)


class _Blind(keras.losses.Loss):  # type: ignore[misc]
    """(batch,) against (batch, 1): each target meets every answer. A function Keras would mend."""

    def call(self, y: Any, p: Any) -> Any:
        return ops.mean(ops.square(y - p), axis=-1)


class _OfSorted(keras.losses.Loss):  # type: ignore[misc]
    """The largest answer against the largest target, and so on: whose they are does not count."""

    def call(self, y: Any, p: Any) -> Any:
        return ops.mean(ops.square(ops.sort(y, axis=0) - ops.sort(p, axis=0)), axis=-1)


OWN: Mapping[str, Loss] = {
    function.__name__: function
    for function in (
        likelihood, likelihood_by_variance, mixture, dice, focal, quantile, by_hand,
        softmax_of_softmax, from_logits, labels_of_words, root_error, relative,
        guarded_likelihood, guarded_relative,
    )
} | {"blind": _Blind(), "of_sorted": _OfSorted()}  # fmt: skip


def objective(name: str, change: Mapping[str, Any]) -> Any:
    """The loss: Keras's name where nothing is changed, or a function.

    `change`: `times` a factor, `plus` a constant, `sum` over the batch in place of the mean,
    `smoothed` labels of one-hot targets.
    """
    if not change:
        return OWN.get(name, name)
    base = OWN[name] if name in OWN else keras.losses.get(name)
    if change.get("sum"):
        return _Summed(base)
    times, plus = float(change.get("times", 1.0)), float(change.get("plus", 0.0))
    assert math.isfinite(times * plus)

    def changed(y: Any, p: Any) -> Any:
        return times * base(y, p) + plus

    return changed


class _Summed(keras.losses.Loss):  # type: ignore[misc]
    def __init__(self, base: Loss) -> None:
        super().__init__(reduction="sum")
        self.base = base

    def call(self, y: Any, p: Any) -> Any:
        return self.base(y, p)
