"""Where signal and correlation settle in a network that repeats one layer for ever, and how fast.

Poole et al. 2016 (arXiv:1606.05340) and Schoenholz et al. 2017 (arXiv:1611.01232): q* is the fixed
point of q -> sigma_w^2 E phi^2 + sigma_b^2, c* that of the correlation of two samples; deviations
shrink as exp(-l / xi_q) and exp(-l / xi_c), the gradient goes as chi_1^l. A network can be trained
as deep as about 6 xi_c (Schoenholz et al., section 6). Under batch norm (Yang et al. 2019) what
limits the depth is the growth of the gradient, 16 / ln(rate) layers of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gradscope.theory.gains import elasticity
from gradscope.theory.gaussian_moments import gaussian_moments
from gradscope.theory.moment_table import moment_table
from gradscope.theory.scope import Block

__all__ = ["FixedPoint", "fixed_point"]

_LARGEST, _SMALLEST = 1e12, 1e-12
_MARGINAL = 1e-5
_MOST_STEPS = 200


@dataclass(frozen=True)
class FixedPoint:
    """The far end of a network that goes on with its last hidden layer for ever.

    `q` is q* (0 where the signal dies out, infinite where it explodes, NaN where every q is fixed),
    `stable` whether deviations from it shrink, `correlation` c*, `chi_1` the factor on E delta^2
    per layer going back. `signal_scale` is xi_q, `correlation_scale` xi_c and `gradient_scale`
    1 / |ln chi_1|, in layers; infinite where there is no exponential. `trainable_depth` is
    6 xi_c, or 16 / ln(rate) under batch norm.
    """

    q: float
    stable: bool
    correlation: float
    chi_1: float
    signal_scale: float
    correlation_scale: float
    gradient_scale: float
    trainable_depth: float


def fixed_point(block: Block) -> FixedPoint:
    """The fixed point of a hidden layer without batch norm, repeated with its own forward gain."""
    signal = _signal_map(block)
    q, stable, slope = _settled(block, signal)
    at = min(max(q, _SMALLEST), _LARGEST) if not math.isnan(q) else 1.0
    moments = gaussian_moments(block.activation, at, block.parameters)
    sigma_w2 = block.forward
    chi_1 = sigma_w2 * moments.derivative_second / block.kept
    correlation, chi_c = _correlation(block, at)
    scale = _scale(chi_c)
    return FixedPoint(
        q=q,
        stable=stable,
        correlation=correlation,
        chi_1=chi_1,
        signal_scale=_scale(slope),
        correlation_scale=scale,
        gradient_scale=_scale(chi_1),
        trainable_depth=6.0 * scale,
    )


def normed_fixed_point(q: float, correlation: float, rate: float) -> FixedPoint:
    """The same under batch norm, which sets q in every layer; `rate` is the growth of E delta^2."""
    scale = _scale(rate)
    return FixedPoint(
        q=q,
        stable=True,
        correlation=correlation,
        chi_1=rate,
        signal_scale=0.0,
        correlation_scale=scale,
        gradient_scale=scale,
        trainable_depth=16.0 * scale,
    )


def _scale(factor: float) -> float:
    """Layers in which an exponential of this factor per layer changes by e."""
    if factor <= 0.0:
        return 0.0
    logarithm = abs(math.log(factor))
    return 1.0 / logarithm if logarithm > _MARGINAL else math.inf


def _signal_map(block: Block) -> Callable[[float], float]:
    def signal(q: float) -> float:
        """q of the next layer's z around the mean of its bias."""
        second = _second(block, q)
        return block.forward * second / block.kept + block.bias_variance

    return signal


def _second(block: Block, q: float) -> float:
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    return table.second_moment(q)


def _settled(block: Block, signal: Callable[[float], float]) -> tuple[float, bool, float]:
    """q*, whether it is stable, and the slope of the map there."""
    grid = np.exp(np.arange(math.log(_SMALLEST), math.log(_LARGEST), 0.5))
    with np.errstate(all="ignore"):
        gains = np.array([signal(float(q)) for q in grid]) / grid
    if np.all(np.abs(gains - 1.0) < 1e-9):
        return math.nan, True, 1.0
    above = gains > 1.0
    crossings = np.flatnonzero(above[:-1] & ~above[1:] & np.isfinite(gains[1:]))
    if crossings.size:
        q = _bisected(signal, float(grid[crossings[0]]), float(grid[crossings[0] + 1]))
        return q, True, _slope(block, q)
    if above[0] or not np.isfinite(gains[0]):
        return math.inf, True, float(gains[-1]) if np.isfinite(gains[-1]) else math.inf
    slope = float(gains[0])
    return 0.0, slope < 1.0 + 1e-9, slope


def _bisected(signal: Callable[[float], float], low: float, high: float) -> float:
    for _ in range(50):
        middle = math.sqrt(low * high)
        if signal(middle) > middle:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def _slope(block: Block, q: float) -> float:
    """d q_(l+1) / d q_l at q."""
    weights = 1.0 - block.bias_variance / q
    if block.bias_mean == 0.0:
        return weights * elasticity(block.activation, block.parameters, q)
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    return weights * float(table.at(np.array([q])).slope[0])


def _correlation(block: Block, q: float) -> tuple[float, float]:
    """c*, reached from c = 0, and sigma_w^2 E phi'_a phi'_b there; NaN where every c is fixed.

    c = 1 is where two samples end when the map is not steeper than 1 there and dropout does not
    part them; towards it (ReLU) the map itself creeps by a power law.
    """
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    moments = table.at(np.array([q]))
    second, derivative = float(moments.second[0]), float(moments.derivative_second[0])
    size = block.forward * second / block.kept + block.bias_variance

    def step(c: float) -> float:
        shared = float(table.pairs(q, np.array([c])).value[0])
        return min((block.forward * second * shared + block.bias_variance) / size, 1.0)

    def slope(c: float) -> float:
        return block.forward * derivative * float(table.pairs(q, np.array([c])).derivative[0])

    if all(abs(step(c) - c) < 1e-9 for c in (0.0, 0.3, 0.7, 1.0)):
        return math.nan, slope(1.0)
    if block.kept == 1.0 and slope(1.0) * q / size <= 1.0 + 1e-6:
        return 1.0, slope(1.0)
    c = 0.0
    for _ in range(_MOST_STEPS):
        new = step(c)
        if abs(new - c) < 1e-10:
            break
        # Steffensen's step where plain iteration creeps.
        third = step(new)
        bend = third - 2.0 * new + c
        c = third if abs(bend) < 1e-14 else min(max(c - (new - c) ** 2 / bend, 0.0), 1.0)
    return c, slope(c)
