"""Figures of batch norms: this batch's statistics against the moving ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gradscope.runner.runtime.attribute_patch import shadowed
from gradscope.runner.runtime.conditional import choose
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.moments import nonfinite_count
from gradscope.runner.survey.calls import CallRecorder
from gradscope.runner.survey.sites import BatchNormSite

Pair = tuple[Any, Any]


class Hearing:
    """What the batch norms of a model compute in one forward pass, and what they knew before it."""

    def __init__(self, norms: Sequence[BatchNormSite]) -> None:
        self.moving: list[Pair] = [
            (
                tf.convert_to_tensor(n.layer.moving_mean),
                tf.convert_to_tensor(n.layer.moving_variance),
            )
            for n in norms
        ]
        self.batch: dict[int, list[Pair]] = {id(norm.layer): [] for norm in norms}


@contextlib.contextmanager
def listening(norms: Sequence[BatchNormSite]) -> Iterator[Hearing]:
    """Hear the mean and variance that each batch norm takes of its batch, call by call."""
    hearing = Hearing(norms)
    with contextlib.ExitStack() as stack:
        for layer in {id(norm.layer): norm.layer for norm in norms}.values():
            stack.enter_context(shadowed(layer, "_moments", _heard(layer, hearing)))
        yield hearing


def _heard(layer: Any, hearing: Hearing) -> Callable[..., Pair]:
    original = layer._moments

    def moments(*args: Any, **kwargs: Any) -> Pair:
        mean, variance = original(*args, **kwargs)
        hearing.batch[id(layer)].append((mean, variance))
        return mean, variance

    return moments


def put(
    figures: Figures, norms: Sequence[BatchNormSite], hearing: Hearing, recorder: CallRecorder
) -> None:
    """Compare the batch's mean and variance with the moving ones, all features end to end."""
    if not norms:
        return
    calls = {call.key: call for call in recorder.calls}
    batch = [_of_batch(norm, hearing, calls[norm.key]) for norm in norms]
    sizes = np.array([int(mean.shape[0]) for mean, _ in batch])
    owners = np.repeat(np.arange(len(norms)), sizes)
    epsilon = np.repeat([float(norm.layer.epsilon) for norm in norms], sizes)
    mean, variance = (_end_to_end([pair[i] for pair in batch]) for i in (0, 1))
    moving_mean, moving_variance = (
        _end_to_end([pair[i] for pair in hearing.moving]) for i in (0, 1)
    )
    scale = moving_variance + epsilon
    gap = tf.square(mean - moving_mean) / scale
    ratio = tf.math.log((variance + epsilon) / scale)
    gap, ratio = (tf.math.unsorted_segment_sum(x, owners, len(norms)) / sizes for x in (gap, ratio))
    lost = choose(
        tf.reduce_all(tf.math.is_finite(gap) & tf.math.is_finite(ratio)),
        lambda: tf.zeros_like(gap),
        lambda: tf.stack([nonfinite_count(calls[norm.key].inputs[0]) for norm in norms]),
    )
    names = ["batch_norm_mean_gap", "batch_norm_variance_ratio"]
    figures.put(
        [*names, "nonfinite_forward_count", "nonfinite_count"],
        [norm.index for norm in norms],
        tf.stack([tf.sqrt(gap), tf.exp(ratio), lost, lost]),
    )


def _of_batch(norm: BatchNormSite, hearing: Hearing, call: Any) -> Pair:
    """Mean and variance per feature, heard or (where the layer took none: frozen) computed."""
    heard = hearing.batch[id(norm.layer)]
    if len(heard) > call.number:
        mean, variance = heard[call.number]
        return tf.reshape(mean, [-1]), tf.reshape(variance, [-1])
    inputs = call.inputs[0]
    axis = norm.layer.axis % inputs.shape.rank
    others = [i for i in range(inputs.shape.rank) if i != axis]
    return tf.nn.moments(tf.cast(inputs, tf.float64), others)  # type: ignore[no-any-return]


def _end_to_end(vectors: Sequence[Any]) -> Any:
    return tf.concat([tf.cast(vector, tf.float64) for vector in vectors], 0)
