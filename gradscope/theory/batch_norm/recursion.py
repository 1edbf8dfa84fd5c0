"""Dense layers with batch norm before or after every activation: the profile at initialisation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradscope.record import Normalization
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.batch_norm.rates import after_norm, before_norm
from gradscope.theory.moments.gaussian_moments import GaussianMoments, gaussian_moments
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block, in_range, no_finite_moments

_REPEATS, _MIDDLE = 7, 3
"""Layers in the network that measures the rate of a repeated layer, and where it is measured: three
layers from either end, where the input and the last gradient change the rate by under 1e-6."""

__all__ = ["norm_after_profile", "norm_before_profile", "repeated_rate"]


def norm_before_profile(
    hidden: Sequence[Block], geometry: SampleGeometry, epsilon: float, batch_size: int
) -> Profile:
    """Dense -> batch norm -> activation.

    The gradient with respect to a Dense output is orthogonal to the constant vector on the batch,
    so its covariance is alpha (I - 1 1^T / B); `diagonal` and `off_diagonal` are the two entries of
    the covariance of the gradient with respect to a layer's activations.
    """
    b = float(batch_size)
    signal, pair = geometry.second_moment, geometry.mean_product
    q, m, mean, spreads, norms, inverses = [], [], [], [], [], []
    for block in hidden:
        spread = block.forward * (signal - pair)
        variance = spread * (1.0 - 1.0 / b)
        q.append(in_range(block, variance / (variance + epsilon)))
        norm = before_norm(block.activation, block.parameters, q[-1], batch_size)
        norms.append(norm)
        # E 1 / s^2 = B / ((B - 3) spread): s^2 is chi-squared with B - 1 degrees of freedom.
        inverses.append(1.0 / (spread * (b - 3.0) / b + epsilon))
        spreads.append(signal - pair)
        m.append(norm.second)
        mean.append(_moments(block, q[-1]).mean)
        signal, pair = norm.second / block.kept, norm.pair
    diagonal, off_diagonal = 1.0, 0.0
    delta, kernel = [], []
    for i in range(len(hidden) - 1, -1, -1):
        norm = norms[i]
        delta.append(diagonal * norm.derivative_second)
        alpha = (
            inverses[i]
            * ((diagonal - off_diagonal) * norm.diagonal + off_diagonal * norm.total)
            / (b - 1.0)
        )
        kernel.append(alpha * spreads[i])
        if i:
            backward = hidden[i].backward
            diagonal = backward * alpha * (1.0 - 1.0 / b) / hidden[i - 1].kept
            off_diagonal = -backward * alpha / b
    slope = norms[-1].derivative_second / hidden[-1].kept
    return _profile(
        _AboveLastLayer(signal, -1.0 / (b - 1.0), slope),
        q=q,
        m=m,
        mean=mean,
        delta=delta,
        kernel=kernel,
    )


def norm_after_profile(
    hidden: Sequence[Block], geometry: SampleGeometry, epsilon: float, batch_size: int
) -> Profile:
    """Dense -> activation -> batch norm: z stays normal, its scale set by the norm below.

    The norm's Jacobian removes what all samples share, so only `spread`, the difference of the
    diagonal and the off-diagonal covariance of the gradient, is passed on.
    """
    b = float(batch_size)
    signal, product = geometry.second_moment, geometry.mean_product
    q, m, mean, layer_inputs, norms = [], [], [], [], []
    for block in hidden:
        q.append(block.forward * signal)
        moments = _moments(block, q[-1])
        layer_inputs.append((signal, product))
        norm = after_norm(
            block.activation,
            block.parameters,
            q[-1],
            correlation=max(product / signal, -1.0 / (b - 1.0)),
            batch_size=batch_size,
            epsilon=epsilon,
        )
        norms.append(norm)
        m.append(moments.second)
        mean.append(moments.mean)
        signal = norm.second / block.kept
        product = -norm.second / (b - 1.0)
    spread = 1.0
    delta, kernel = [], []
    for i in range(len(hidden) - 1, -1, -1):
        norm, (second, pair) = norms[i], layer_inputs[i]
        delta.append(spread * norm.diagonal)
        kernel.append(spread * (norm.diagonal * second + (b - 1.0) * norm.pair * pair))
        if i:
            backward = hidden[i].backward
            spread *= backward * (norm.diagonal / hidden[i - 1].kept - norm.pair)
    slope = norms[-1].diagonal / hidden[-1].kept
    return _profile(
        _AboveLastLayer(signal, product / signal, slope),
        q=q,
        m=m,
        mean=mean,
        delta=delta,
        kernel=kernel,
    )


def repeated_rate(block: Block, epsilon: float, batch_size: int) -> float:
    """Growth of E delta^2 per layer going back through one layer repeated, all of one width."""
    square = [replace(block, backward=block.forward)] * _REPEATS
    before = block.normalization == Normalization.BEFORE_ACTIVATION
    profile_of = norm_before_profile if before else norm_after_profile
    delta = profile_of(square, SampleGeometry(1.0), epsilon, batch_size).delta
    return float(delta[_MIDDLE - 1] / delta[_MIDDLE])


def _moments(block: Block, q: float) -> GaussianMoments:
    moments = gaussian_moments(block.activation, in_range(block, q), block.parameters)
    if not (math.isfinite(moments.second) and math.isfinite(moments.derivative_second)):
        raise no_finite_moments(block, q)
    return moments


@dataclass(frozen=True)
class _AboveLastLayer:
    """E a^2 above the last hidden layer, the correlation of samples, and `Profile.last_slope`."""

    signal: float
    correlation: float
    slope: float


def _profile(
    end: _AboveLastLayer,
    *,
    q: list[float],
    m: list[float],
    mean: list[float],
    delta: list[float],
    kernel: list[float],
) -> Profile:
    """`delta` and `kernel` come from the last layer down."""
    return Profile(
        q=np.array(q),
        m=np.array(m),
        mean=np.array(mean),
        delta=np.array(delta[::-1]) / delta[0],
        kernel=np.array(kernel[::-1]) / kernel[0],
        correlation=np.full(len(q), end.correlation),
        output_input=np.array([end.signal]),
        sample_shares=np.ones(1),
        last_slope=end.slope,
    )
