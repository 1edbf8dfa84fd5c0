"""Figures of batch norms: this batch's statistics against the moving ones."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from gradscope.runner.runtime.attribute_patch import patched_attribute
from gradscope.runner.runtime.conditional import unlowered_cond
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.moments import nonfinite_count
from gradscope.runner.survey.calls import CallRecorder
from gradscope.runner.survey.sites import BatchNormSite

Pair = tuple[Any, Any]


class BatchMoments:
    """The moments that batch norms compute in one forward pass, and their variables before it.

    `moving` has a pair (mean, variance) for each batch norm, `batch` the pairs of each of its
    calls by the identity of the layer. `gamma` and `beta` have pairs of the position of a norm and
    its vector, for those that have one.
    """

    def __init__(self, norms: Sequence[BatchNormSite]) -> None:
        self.moving: list[Pair] = [
            (
                tf.convert_to_tensor(n.layer.moving_mean),
                tf.convert_to_tensor(n.layer.moving_variance),
            )
            for n in norms
        ]
        self.batch: dict[int, list[Pair]] = {id(norm.layer): [] for norm in norms}
        self.gamma, self.beta = _vectors(norms, "gamma"), _vectors(norms, "beta")


def _vectors(norms: Sequence[BatchNormSite], name: str) -> list[tuple[int, Any]]:
    """The variable `name` of each norm that has it, with the norm's position."""
    variables = ((i, getattr(norm.layer, name, None)) for i, norm in enumerate(norms))
    return [(i, tf.convert_to_tensor(v)) for i, v in variables if v is not None]


@contextlib.contextmanager
def recorded_moments(norms: Sequence[BatchNormSite]) -> Iterator[BatchMoments]:
    """Record the mean and variance that each batch norm computes of its batch, call by call."""
    moments = BatchMoments(norms)
    with contextlib.ExitStack() as stack:
        for layer in {id(norm.layer): norm.layer for norm in norms}.values():
            replacement = _recording_moments(layer, moments)
            stack.enter_context(patched_attribute(layer, "_moments", replacement))
        yield moments


def _recording_moments(layer: Any, moments: BatchMoments) -> Callable[..., Pair]:
    original = layer._moments

    def compute_and_record(*args: Any, **kwargs: Any) -> Pair:
        mean, variance = original(*args, **kwargs)
        moments.batch[id(layer)].append((mean, variance))
        return mean, variance

    return compute_and_record


def add_batch_norm_figures(
    figures: Figures,
    norms: Sequence[BatchNormSite],
    moments: BatchMoments,
    recorder: CallRecorder,
) -> None:
    """Compare the batch's mean and variance with the moving ones, all features in one vector.

    The moments are those that Keras computed and normalized by, in its own precision.
    """
    if not norms:
        return
    calls = {call.key: call for call in recorder.calls}
    batch = [_batch_moments(norm, moments, calls[norm.key]) for norm in norms]
    sizes = np.array([int(mean.shape[0]) for mean, _ in batch])
    owners = np.repeat(np.arange(len(norms)), sizes)
    epsilon = np.repeat([float(norm.layer.epsilon) for norm in norms], sizes)
    mean, variance = (_concatenated([pair[i] for pair in batch]) for i in (0, 1))
    moving_mean, moving_variance = (
        _concatenated([pair[i] for pair in moments.moving]) for i in (0, 1)
    )
    scale = moving_variance + epsilon
    gap = tf.square(mean - moving_mean) / scale
    ratio = tf.math.log((variance + epsilon) / scale)
    gap, ratio = (tf.math.unsorted_segment_sum(x, owners, len(norms)) / sizes for x in (gap, ratio))
    nonfinite = unlowered_cond(
        tf.reduce_all(tf.math.is_finite(gap) & tf.math.is_finite(ratio)),
        lambda: tf.zeros_like(gap),
        lambda: tf.stack([nonfinite_count(calls[norm.key].inputs[0]) for norm in norms]),
    )
    names = ["batch_norm_mean_gap", "batch_norm_variance_ratio"]
    figures.add(
        [*names, "nonfinite_forward_count", "nonfinite_count"],
        [norm.index for norm in norms],
        tf.stack([tf.sqrt(gap), tf.exp(ratio), nonfinite, nonfinite]),
    )


def add_gamma_and_beta(
    figures: Figures, norms: Sequence[BatchNormSite], moments: BatchMoments
) -> None:
    """Add mean and mean square of each gamma, and the mean square of each beta."""
    pairs = [*moments.gamma, *moments.beta]
    if not pairs:
        return
    sizes = np.array([int(vector.shape[0]) for _, vector in pairs])
    owners = np.repeat(np.arange(len(pairs)), sizes)
    values = _concatenated([vector for _, vector in pairs])
    means = (
        tf.math.unsorted_segment_sum(x, owners, len(pairs)) / sizes
        for x in (values, tf.square(values))
    )
    by_variable = tf.stack(list(means))
    indices, count = [norms[i].index for i, _ in pairs], len(moments.gamma)
    if count:
        names = ["batch_norm_gamma_mean", "batch_norm_gamma_second_moment"]
        figures.add(names, indices[:count], by_variable[:, :count])
    if count < len(pairs):
        figures.add(["batch_norm_beta_second_moment"], indices[count:], by_variable[1:, count:])


def _batch_moments(norm: BatchNormSite, moments: BatchMoments, call: Any) -> Pair:
    """Mean and variance per feature: as recorded; computed where a frozen layer computed none."""
    recorded = moments.batch[id(norm.layer)]
    if len(recorded) > call.number:
        mean, variance = recorded[call.number]
        return tf.reshape(mean, [-1]), tf.reshape(variance, [-1])
    inputs = call.inputs[0]
    axis = norm.layer.axis % inputs.shape.rank
    axes = [i for i in range(inputs.shape.rank) if i != axis]
    return tf.nn.moments(tf.cast(inputs, tf.float64), axes)  # type: ignore[no-any-return]


def _concatenated(vectors: Sequence[Any]) -> Any:
    return tf.concat([tf.cast(vector, tf.float64) for vector in vectors], 0)
