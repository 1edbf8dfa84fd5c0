"""Figures of the kernels, their gradients and the updates that were really made.

Kernels are the largest tensors of a step, so each is read in float32 as few times as there are
figures. A float32 sum of squares is exact to about 1e-7 unless its terms leave float32's range, and
a variance as a difference unless the mean rules; where either may be, all of it is computed again
in float64 from the same tensors (`_exact`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gradscope.runner.figures import Figures
from gradscope.runner.sites import Site

SAFE = (1e-30, 1e30)
"""Mean squares between which float32 loses nothing: terms below 1e-38 are 1e-8 of the smallest."""

SPREAD = 0.01
"""Variance over second moment above which the difference of two float32 sums keeps five digits."""


@dataclass(frozen=True)
class Kernels:
    """Everything about the kernels that has to be read before the update."""

    sites: tuple[Site, ...]
    variables: tuple[Any, ...]
    before: tuple[Any, ...]
    gradients: tuple[Any, ...]
    biased: tuple[Site, ...]
    bias_gradients: tuple[Any, ...]


def before(sites: Sequence[Site], variables: Sequence[Any], gradients: Sequence[Any]) -> Kernels:
    """Take the kernels as they are before the update, with their gradients."""
    by_id = {id(v): tf.convert_to_tensor(g) for v, g in zip(variables, gradients, strict=True)}
    kernels: dict[int, Any] = {}
    for site in sites:
        kernels |= {id(kernel): kernel for kernel in site.kernels if id(kernel) in by_id}
    weighted = tuple(s for s in sites if s.kernels and all(id(k) in by_id for k in s.kernels))
    biased = tuple(s for s in sites if s.bias is not None and id(s.bias) in by_id)
    return Kernels(
        sites=weighted,
        variables=tuple(kernels.values()),
        before=tuple(tf.identity(kernel) for kernel in kernels.values()),
        gradients=tuple(by_id[key] for key in kernels),
        biased=biased,
        bias_gradients=tuple(by_id[id(site.bias)] for site in biased),
    )


def put(figures: Figures, kernels: Kernels) -> None:
    """Compute the figures after the update."""
    if kernels.sites:
        _put_kernels(figures, kernels)
    if kernels.biased:
        _put_biases(figures, kernels)


def _put_kernels(figures: Figures, kernels: Kernels) -> None:
    after = tuple(tf.convert_to_tensor(variable) for variable in kernels.variables)
    sizes = np.array([float(np.prod(kernel.shape)) for kernel in kernels.before])
    fast = _fast(kernels, after)
    deviations = fast[1] - tf.square(fast[3]) / sizes
    mean_squares = fast[:3] / sizes
    safe = tf.reduce_all((mean_squares > SAFE[0]) & (mean_squares < SAFE[1])) & tf.reduce_all(
        deviations > SPREAD * fast[1]
    )
    sums = tf.cond(
        safe,
        lambda: tf.concat([fast[:3], [deviations], tf.zeros_like(fast[:2])], 0),
        lambda: _exact(kernels, after),
    )
    rows, owners = _ownership(kernels)
    if not np.array_equal(rows, owners):
        spread = tf.gather(tf.transpose(sums), rows)
        summed = tf.math.unsorted_segment_sum(spread, owners, len(kernels.sites))
        sums = tf.transpose(summed)
    weight, gradient, change, deviation, lost, lost_after = tf.unstack(sums)
    counts = np.bincount(owners, sizes[rows])
    figures.put(
        [
            "weight_second_moment",
            "kernel_gradient_second_moment",
            "kernel_gradient_variance",
            "update_ratio",
            "nonfinite_backward_count",
            "nonfinite_count",
        ],
        [site.index for site in kernels.sites],
        tf.stack(
            [
                weight / counts,
                gradient / counts,
                deviation / counts,
                tf.sqrt(change / weight),
                lost,
                lost + lost_after,
            ]
        ),
    )


def _fast(kernels: Kernels, after: Sequence[Any]) -> Any:
    """Sums of squares of kernel, gradient and change, and the gradient's sum, each in float32.

    float64 [4, kernel].
    """
    changes = [new - old for new, old in zip(after, kernels.before, strict=True)]
    # l2_loss is half the sum of squares, in one pass that makes no copy.
    halves = [tf.nn.l2_loss(x) for x in (*kernels.before, *kernels.gradients, *changes)]
    sums = [0.5 * tf.reduce_sum(gradient) for gradient in kernels.gradients]
    return 2.0 * tf.reshape(tf.cast(tf.stack(halves + sums), tf.float64), [4, len(after)])


def _exact(kernels: Kernels, after: Sequence[Any]) -> Any:
    """The same in float64, with squared deviations and NaN and Inf counted: [6, kernel]."""
    columns = []
    for kernel, gradient, new in zip(kernels.before, kernels.gradients, after, strict=True):
        old64, new64 = tf.cast(kernel, tf.float64), tf.cast(new, tf.float64)
        gradient64 = tf.cast(gradient, tf.float64)
        centre = tf.reduce_mean(gradient64)
        columns.append(
            [
                tf.reduce_sum(tf.square(old64)),
                tf.reduce_sum(tf.square(gradient64)),
                tf.reduce_sum(tf.math.squared_difference(new64, old64)),
                tf.reduce_sum(tf.math.squared_difference(gradient64, centre)),
                _count_nonfinite(gradient),
                _count_nonfinite(new),
            ]
        )
    return tf.stack([tf.stack(row) for row in zip(*columns, strict=True)])


def _count_nonfinite(values: Any) -> Any:
    return tf.reduce_sum(tf.cast(~tf.math.is_finite(values), tf.float64))


def _ownership(kernels: Kernels) -> tuple[np.ndarray, np.ndarray]:
    """Which kernel belongs to which site: pairs of places; a shared kernel is in several."""
    places = {id(variable): i for i, variable in enumerate(kernels.variables)}
    pairs = [
        (places[id(kernel)], column)
        for column, site in enumerate(kernels.sites)
        for kernel in site.kernels
    ]
    rows, owners = zip(*pairs, strict=True)
    return np.array(rows, np.int32), np.array(owners, np.int32)


def _put_biases(figures: Figures, kernels: Kernels) -> None:
    gradients = kernels.bias_gradients
    sizes = np.array([float(np.prod(gradient.shape)) for gradient in gradients])
    fast = 2.0 * tf.cast(tf.stack([tf.nn.l2_loss(g) for g in gradients]), tf.float64)
    safe = tf.reduce_all((fast / sizes > SAFE[0]) & (fast / sizes < SAFE[1]))
    sums = tf.cond(
        safe, lambda: tf.stack([fast, tf.zeros_like(fast)]), lambda: _exact_biases(gradients)
    )
    figures.put(
        ["bias_gradient_second_moment", "nonfinite_backward_count", "nonfinite_count"],
        [site.index for site in kernels.biased],
        tf.stack([sums[0] / sizes, sums[1], sums[1]]),
    )


def _exact_biases(gradients: Sequence[Any]) -> Any:
    wide = [tf.cast(gradient, tf.float64) for gradient in gradients]
    squares = [tf.reduce_sum(tf.square(gradient)) for gradient in wide]
    return tf.stack([tf.stack(squares), tf.stack([_count_nonfinite(g) for g in gradients])])
