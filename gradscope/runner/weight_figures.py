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
    after = [tf.convert_to_tensor(variable) for variable in kernels.variables]
    triples = list(zip(kernels.before, kernels.gradients, after, strict=True))
    sizes = np.array([float(np.prod(kernel.shape)) for kernel in kernels.before])
    fast = tf.stack([_fast(*triple) for triple in triples], 1)
    mean_squares = fast[:3] / sizes
    spread = fast[1] / sizes - tf.square(fast[3] / sizes)
    safe = tf.reduce_all((mean_squares > SAFE[0]) & (mean_squares < SAFE[1])) & tf.reduce_all(
        spread > SPREAD * mean_squares[1]
    )
    squares = tf.cond(
        safe,
        lambda: tf.concat([fast[:3], [spread * sizes], tf.zeros((2, len(sizes)), tf.float64)], 0),
        lambda: tf.stack([_exact(*triple) for triple in triples], 1),
    )
    rows, owners = _ownership(kernels)
    summed = tf.math.unsorted_segment_sum(
        tf.gather(tf.transpose(squares), rows), owners, len(kernels.sites)
    )
    weight, gradient, change, deviation, lost, lost_after = tf.unstack(summed, axis=1)
    counts = np.bincount(owners, sizes[rows])
    figures.put(
        [site.index for site in kernels.sites],
        weight_second_moment=weight / counts,
        update_ratio=tf.sqrt(change / weight),
        kernel_gradient_second_moment=gradient / counts,
        kernel_gradient_variance=deviation / counts,
        nonfinite_backward_count=lost,
        nonfinite_count=lost + lost_after,
    )


def _fast(kernel: Any, gradient: Any, after: Any) -> Any:
    """Sums of squares of kernel, gradient and change, and the gradient's sum: float64 [4]."""
    sums = [
        2.0 * tf.nn.l2_loss(kernel),
        2.0 * tf.nn.l2_loss(gradient),
        2.0 * tf.nn.l2_loss(after - kernel),
        tf.reduce_sum(gradient),
    ]
    return tf.cast(tf.stack(sums), tf.float64)


def _exact(kernel: Any, gradient: Any, after: Any) -> Any:
    """The same in float64, with squared deviations and NaN and Inf counted: [6]."""
    kernel64, after64 = tf.cast(kernel, tf.float64), tf.cast(after, tf.float64)
    gradient64 = tf.cast(gradient, tf.float64)
    centre = tf.reduce_mean(gradient64)
    return tf.stack(
        [
            tf.reduce_sum(tf.square(kernel64)),
            tf.reduce_sum(tf.square(gradient64)),
            tf.reduce_sum(tf.math.squared_difference(after64, kernel64)),
            tf.reduce_sum(tf.math.squared_difference(gradient64, centre)),
            _count_nonfinite(gradient),
            _count_nonfinite(after),
        ]
    )


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
    flat = [tf.reshape(gradient, [-1]) for gradient in kernels.bias_gradients]
    sizes = np.array([int(gradient.shape[0]) for gradient in flat])
    together = tf.concat(flat, 0)
    owners = tf.constant(np.repeat(np.arange(len(sizes)), sizes), tf.int32)
    wide = tf.cast(together, tf.float64)
    sums = tf.math.unsorted_segment_sum(tf.square(wide), owners, len(sizes))
    lost = tf.math.unsorted_segment_sum(
        tf.cast(~tf.math.is_finite(together), tf.float64), owners, len(sizes)
    )
    figures.put(
        [site.index for site in kernels.biased],
        bias_gradient_second_moment=sums / sizes.astype(np.float64),
        nonfinite_backward_count=lost,
        nonfinite_count=lost,
    )
