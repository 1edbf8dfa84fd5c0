"""Figures of the kernels, their gradients and the updates that are really made.

Kernels are the largest tensors of a step, so each is read in float32 as few times as there are
figures. A float32 sum of squares is exact to about 1e-7 unless its terms leave float32's range, a
variance as a difference of sums unless it is small against them, and a change as the optimizer
computed it unless adding it rounds much of it away. Where any of that may be, everything is
computed again in float64 from the same tensors (`_exact`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from gradscope.runner.runtime.conditional import unlowered_cond
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.moments import SAFE, SPREAD, nonfinite_count
from gradscope.runner.step.reductions import Reductions
from gradscope.runner.step.sizes import known_size
from gradscope.runner.step.updates import Update, Updates
from gradscope.runner.survey.sites import Site

SMALL_CHANGE = 1e-10
"""Mean square of the change over the kernel's below which rounding shows: an update of 1e-5 of the
kernel loses 1e-5 of its mean square to float32's 6e-8, and smaller ones lose all of it."""

SIZE_RATIO = 2
"""How many times larger than its factors a gradient must be for its sum to be taken from them."""


@dataclass(frozen=True)
class Weights:
    """The trained kernels and biases of the sites, with their gradients as the tape gave them.

    `gradients` are dense, `raw` may be sparse (an embedding's).
    """

    sites: tuple[Site, ...]
    kernels: tuple[Any, ...]
    raw: tuple[Any, ...]
    biased: tuple[Site, ...]
    bias_gradients: tuple[Any, ...]


def trained_weights(
    sites: Sequence[Site], variables: Sequence[Any], gradients: Sequence[Any]
) -> Weights:
    """Find the kernels and biases of `sites` among the trained variables."""
    raw = {id(v): g for v, g in zip(variables, gradients, strict=True) if g is not None}
    kernels: dict[int, Any] = {}
    for site in sites:
        kernels |= {id(kernel): kernel for kernel in site.kernels if id(kernel) in raw}
    biased = tuple(s for s in sites if s.bias is not None and id(s.bias) in raw)
    return Weights(
        sites=tuple(s for s in sites if s.kernels and all(id(k) in raw for k in s.kernels)),
        kernels=tuple(kernels.values()),
        raw=tuple(raw[key] for key in kernels),
        biased=biased,
        bias_gradients=tuple(tf.convert_to_tensor(raw[id(site.bias)]) for site in biased),
    )


def add_weight_figures(
    figures: Figures, weights: Weights, updates: Updates, reductions: Reductions
) -> None:
    """Add the figures of kernels, gradients and updates."""
    if weights.sites:
        _add_kernel_figures(figures, weights, updates, reductions)
    if weights.biased:
        _add_bias_figures(figures, weights)


def _add_kernel_figures(
    figures: Figures, weights: Weights, updates: Updates, reductions: Reductions
) -> None:
    changes = [updates.by_kernel[id(kernel)] for kernel in weights.kernels]
    gradients = [tf.convert_to_tensor(gradient) for gradient in weights.raw]
    sizes = np.array([float(np.prod(kernel.shape)) for kernel in weights.kernels])
    factors = _factors(changes)
    squares, totals = _read(gradients, changes, factors, reductions)
    weight, _, change = tf.unstack(squares)
    deviations = squares[:2] - tf.square(totals) / sizes
    safe = (
        tf.reduce_all((squares > SAFE[0] * sizes) & (squares < SAFE[1] * sizes))
        & tf.reduce_all(deviations > SPREAD * squares[:2])
        & tf.reduce_all(change > SMALL_CHANGE * weight)
    )
    sums = unlowered_cond(
        safe,
        lambda: tf.pad(tf.concat([squares, deviations], 0), [[0, 2], [0, 0]]),
        lambda: _exact(gradients, changes, factors),
    )
    rows, owners = _ownership(weights)
    if not np.array_equal(rows, owners):
        spread = tf.gather(tf.transpose(sums), rows)
        summed = tf.math.unsorted_segment_sum(spread, owners, len(weights.sites))
        sums = tf.transpose(summed)
    weight, gradient, change, spread, deviation, nonfinite, nonfinite_after = tf.unstack(sums)
    counts = np.bincount(owners, sizes[rows])
    figures.add(
        [
            "weight_second_moment",
            "weight_variance",
            "kernel_gradient_second_moment",
            "kernel_gradient_variance",
            "update_ratio",
            "nonfinite_backward_count",
            "nonfinite_count",
        ],
        [site.index for site in weights.sites],
        tf.stack(
            [
                weight / counts,
                spread / counts,
                gradient / counts,
                deviation / counts,
                tf.sqrt(change / weight),
                nonfinite,
                nonfinite + nonfinite_after,
            ]
        ),
    )


def _factors(changes: Sequence[Update]) -> Any:
    """The scalars that made each change of its gradient [kernel]; None if any change is not so.

    None as well where kernels are of different precision, and their scalars with them.
    """
    factors = [update.factor for update in changes]
    if any(factor is None for factor in factors) or len({factor.dtype for factor in factors}) > 1:
        return None
    return tf.stack(factors)


def _read(
    gradients: Sequence[Any], changes: Sequence[Update], factors: Any, reductions: Reductions
) -> tuple[Any, Any]:
    """Sums of squares of kernel, gradient, change [3, kernel]; sums of the first two [2, kernel].

    Each is computed in the kernel's type and returned in float64.
    """
    read = [*(update.before for update in changes), *gradients]
    totals = tf.reshape(reductions.kernel_sums(read, _total), [2, -1])
    if factors is None:
        read += [update.change for update in changes]
    flat = reductions.kernel_square_sums(read)
    squares = tf.reshape(flat, [-1, len(changes)])
    if factors is not None:
        _, gradient_squares = tf.unstack(squares)
        changed = tf.square(tf.cast(factors, tf.float64)) * gradient_squares
        squares = tf.concat([squares, [changed]], 0)
    return squares, totals


def _total(gradient: Any) -> Any:
    """The sum of a kernel or a gradient: read, or from the product x^T delta that made it.

    sum_ij (x^T delta)_ij = sum_b (sum_i x_bi) (sum_j delta_bj), which reads the two factors only.
    """
    pair = factors(gradient)
    if pair is not None:
        x, delta = pair
        read = known_size(x) + known_size(delta)
        if gradient.shape.num_elements() > SIZE_RATIO * read:
            return tf.reduce_sum(tf.reduce_sum(x, 1) * tf.reduce_sum(delta, 1))
    return tf.raw_ops.Sum(input=gradient, axis=list(range(gradient.shape.rank)))


def factors(gradient: Any) -> tuple[Any, Any] | None:
    """The x and delta of a traced gradient x^T delta; None where it is not just one product."""
    if tf.executing_eagerly() or not tf.is_tensor(gradient) or gradient.op.type != "MatMul":
        return None
    turned = (gradient.op.get_attr("transpose_a"), gradient.op.get_attr("transpose_b"))
    x, delta = gradient.op.inputs
    return (x, delta) if turned == (True, False) else None


def _exact(gradients: Sequence[Any], changes: Sequence[Update], factors: Any) -> Any:
    """The same in float64, with squared deviations and NaN and Inf counted: [7, kernel].

    Kernels of one shape are computed together: this seldom runs, and is always traced.
    """
    positions_by_kind: dict[tuple[Any, ...], list[int]] = {}
    for position, update in enumerate(changes):
        key = (tuple(update.before.shape), update.before.dtype, update.sign)
        positions_by_kind.setdefault(key, []).append(position)
    parts = []
    for positions in positions_by_kind.values():
        group, stack = [changes[i] for i in positions], tf.stack([gradients[i] for i in positions])
        if factors is None:
            change = tf.stack([update.change for update in group])
        else:
            shape = [-1] + [1] * (stack.shape.rank - 1)
            change = stack * tf.reshape(tf.gather(factors, positions), shape)
        before = tf.stack([update.before for update in group])
        parts.append(_exact_group(before, before + group[0].sign * change, stack))
    order = [position for positions in positions_by_kind.values() for position in positions]
    return tf.gather(tf.concat(parts, 1), np.argsort(order), axis=1)


def _exact_group(before: Any, after: Any, gradients: Any) -> Any:
    axes = list(range(1, before.shape.rank))
    weight, gradient = tf.cast(before, tf.float64), tf.cast(gradients, tf.float64)
    return tf.stack(
        [
            tf.reduce_sum(tf.square(weight), axes),
            tf.reduce_sum(tf.square(gradient), axes),
            tf.reduce_sum(tf.square(tf.cast(after - before, tf.float64)), axes),
            _squared_deviations(weight, axes),
            _squared_deviations(gradient, axes),
            nonfinite_count(gradient, axes),
            nonfinite_count(after, axes),
        ]
    )


def _squared_deviations(values: Any, axes: list[int]) -> Any:
    """The sum of squared differences to the mean over `axes`."""
    centre = tf.reduce_mean(values, axes, keepdims=True)
    return tf.reduce_sum(tf.math.squared_difference(values, centre), axes)


def _ownership(weights: Weights) -> tuple[np.ndarray, np.ndarray]:
    """Which kernel belongs to which site, as pairs of positions; a shared kernel is in several."""
    positions = {id(kernel): i for i, kernel in enumerate(weights.kernels)}
    pairs = [
        (positions[id(kernel)], column)
        for column, site in enumerate(weights.sites)
        for kernel in site.kernels
    ]
    rows, owners = zip(*pairs, strict=True)
    return np.array(rows, np.int32), np.array(owners, np.int32)


def _add_bias_figures(figures: Figures, weights: Weights) -> None:
    """Biases are short: their gradients are concatenated and computed together."""
    gradients = [_vector(gradient) for gradient in weights.bias_gradients]
    sizes = np.array([int(gradient.shape[0]) for gradient in gradients])
    if len({gradient.dtype for gradient in gradients}) > 1:
        gradients = [tf.cast(gradient, tf.float64) for gradient in gradients]
    wide = tf.cast(tf.concat(gradients, 0), tf.float64)
    owners = np.repeat(np.arange(len(sizes)), sizes)
    squares = tf.math.unsorted_segment_sum(tf.square(wide), owners, len(sizes))
    nonfinite = unlowered_cond(
        tf.reduce_all(tf.math.is_finite(squares)),
        lambda: tf.zeros_like(squares),
        lambda: tf.math.unsorted_segment_sum(
            tf.cast(~tf.math.is_finite(wide), tf.float64), owners, len(sizes)
        ),
    )
    figures.add(
        ["bias_gradient_second_moment", "nonfinite_backward_count", "nonfinite_count"],
        [site.index for site in weights.biased],
        tf.stack([squares / sizes, nonfinite, nonfinite]),
    )


def _vector(x: Any) -> Any:
    return x if x.shape.rank == 1 else tf.reshape(x, [-1])
