"""Fixed points of signal and correlation in a network that repeats one layer, and depth scales.

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
from itertools import pairwise

import numpy as np

from gradscope.theory.moments.gains import elasticity
from gradscope.theory.moments.gaussian_moments import gaussian_moments
from gradscope.theory.moments.moment_table import moment_table
from gradscope.theory.scope import Block

__all__ = ["FixedPoint", "fixed_point"]

_SMALLEST, _LARGEST = 1e-12, 1e12
"""Range of q that is searched. Above and below it every activation of the catalog is within about
1e-6 of its limit: a straight line or a power on either side of zero, or a bound."""

_GAIN_TOLERANCE = 1e-9
"""Distance from 1 within which a gain counts as 1. The quadrature is good to 1e-10, rounding on any
processor to 1e-13, so 1e-9 lies above both; and a signal that such a gain moves needs 1e9 layers
to change by a factor of e."""

_BISECTIONS = 50
"""Halvings of an interval of ln q. One grid step of 0.5 ends far below a double's rounding; the
whole range of 55 ends at 5e-14."""

_LARGEST_SCALE = 1e5
"""Layers beyond which a depth scale is called infinite: no network is as deep, and rounding of the
derivatives behind the factor (1e-10) cannot make a factor of exactly 1 look shorter than that."""

_FIXED_CORRELATION = 1e-9
"""Change of c in one layer below which c counts as fixed. The Hermite series is good to 1e-10."""

_CRITICAL_SLOPE = 1e-6
"""Excess over 1 of the correlation map's slope at c = 1 that is taken for 0: the table interpolates
its moments to 1e-6."""

_CORRELATION_STEP, _MAX_CORRELATION_STEPS = 1e-10, 200
"""Change of c at which the iteration ends, and when it ends anyway. Steffensen's steps converge
quadratically: 10 are enough except at criticality, where c follows a power law."""

_STRAIGHT = 1e-14
"""Second difference of the iterates of c that is rounding: extrapolation would divide by noise."""


@dataclass(frozen=True)
class FixedPoint:
    """The limit of a network that repeats its last hidden layer without end.

    `q` is q* (0 where the signal dies out, infinite where it explodes, NaN where every q is fixed);
    deviations from it do not grow. `correlation` is c*, `chi_1` the factor on E delta^2 per layer
    going back. `signal_scale` is xi_q, `correlation_scale` xi_c and `gradient_scale`
    1 / |ln chi_1|, in layers; infinite where there is no exponential. `trainable_depth` is
    6 xi_c, or 16 / ln(rate) under batch norm.
    """

    q: float
    correlation: float
    chi_1: float
    signal_scale: float
    correlation_scale: float
    gradient_scale: float
    trainable_depth: float


def fixed_point(block: Block) -> FixedPoint:
    """The fixed point of a hidden layer without batch norm, repeated with its own forward gain."""
    signal = _signal_map(block)
    q, slope = _signal_fixed_point(block, signal)
    finite_q = min(max(q, _SMALLEST), _LARGEST) if not math.isnan(q) else 1.0
    moments = gaussian_moments(block.activation, finite_q, block.parameters)
    chi_1 = block.forward * moments.derivative_second / block.kept
    correlation, chi_c = _correlation(block, finite_q)
    scale = _scale(chi_c)
    return FixedPoint(
        q=q,
        correlation=correlation,
        chi_1=chi_1,
        signal_scale=_scale(slope),
        correlation_scale=scale,
        gradient_scale=_scale(chi_1),
        trainable_depth=6.0 * scale,
    )


def batch_norm_fixed_point(q: float, correlation: float, rate: float) -> FixedPoint:
    """The same under batch norm, which sets q in every layer; `rate` is the growth of E delta^2."""
    scale = _scale(rate)
    return FixedPoint(
        q=q,
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
    return 1.0 / logarithm if logarithm * _LARGEST_SCALE > 1.0 else math.inf


def _signal_map(block: Block) -> Callable[[float], float]:
    def signal(q: float) -> float:
        """q of the next layer's z around the mean of its bias."""
        return block.forward * table.second_moment(q) / block.kept + block.bias_variance

    table = moment_table(block.activation, block.parameters, block.bias_mean)
    return signal


def _signal_fixed_point(block: Block, signal: Callable[[float], float]) -> tuple[float, float]:
    """q*, and the slope of the map there.

    A gain within `_GAIN_TOLERANCE` of 1 counts as neither growth nor decay: sums of rounded terms
    may lie on either side of 1 where the exact gain is 1 (ReLU with He's variance, and GELU or Mish
    far from zero). q* is where the gain crosses from above 1 to below 1; infinite where it starts
    above 1 and never falls below, 0 where it starts below, NaN where it is 1 everywhere.
    """
    grid = np.exp(np.arange(math.log(_SMALLEST), math.log(_LARGEST), 0.5))
    with np.errstate(all="ignore"):
        gains = np.array([signal(float(q)) for q in grid]) / grid
    gains = np.where(np.isfinite(gains), gains, math.inf)
    # 1 growth, -1 decay, 0 neither.
    directions = np.where(np.abs(gains - 1.0) <= _GAIN_TOLERANCE, 0.0, np.sign(gains - 1.0))
    moving = np.flatnonzero(directions)
    if not moving.size:
        return math.nan, 1.0
    for below, above in pairwise(moving):
        if directions[below] > 0.0 > directions[above]:
            q = _crossing(signal, float(grid[below]), float(grid[above]))
            return q, _slope(block, q)
    if directions[moving[0]] > 0.0:
        return math.inf, float(gains[-1])
    return 0.0, float(gains[0])


def _crossing(signal: Callable[[float], float], low: float, high: float) -> float:
    """q in [low, high] where the gain passes 1: the geometric middle of where it counts as 1."""
    ends = [
        _last_above(signal, level, low, high)
        for level in (1.0 + _GAIN_TOLERANCE, 1.0 - _GAIN_TOLERANCE)
    ]
    return math.sqrt(ends[0] * ends[1])


def _last_above(signal: Callable[[float], float], level: float, low: float, high: float) -> float:
    """q in [low, high] up to which the gain lies above `level`, by bisection of ln q."""
    for _ in range(_BISECTIONS):
        middle = math.sqrt(low * high)
        if signal(middle) > level * middle:
            low = middle
        else:
            high = middle
    return math.sqrt(low * high)


def _slope(block: Block, q: float) -> float:
    """d q_(l+1) / d q_l at q."""
    weight_share = 1.0 - block.bias_variance / q
    if block.bias_mean == 0.0:
        return weight_share * elasticity(block.activation, block.parameters, q)
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    return weight_share * float(table.moments(np.array([q])).slope[0])


def _correlation(block: Block, q: float) -> tuple[float, float]:
    """c*, reached from c = 0, and sigma_w^2 E phi'_a phi'_b there; NaN where every c is fixed.

    Two samples end at c = 1 where the map's slope there is at most 1 and there is no dropout, whose
    masks keep them apart. For ReLU the approach to 1 is a power law.
    """
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    moments = table.moments(np.array([q]))
    second, derivative = float(moments.second[0]), float(moments.derivative_second[0])
    size = block.forward * second / block.kept + block.bias_variance

    def step(c: float) -> float:
        shared = float(table.pairs(q, np.array([c])).value[0])
        return min((block.forward * second * shared + block.bias_variance) / size, 1.0)

    def slope(c: float) -> float:
        return block.forward * derivative * float(table.pairs(q, np.array([c])).derivative[0])

    if all(abs(step(c) - c) < _FIXED_CORRELATION for c in (0.0, 0.3, 0.7, 1.0)):
        return math.nan, slope(1.0)
    if block.kept == 1.0 and slope(1.0) * q / size <= 1.0 + _CRITICAL_SLOPE:
        return 1.0, slope(1.0)
    c = 0.0
    for _ in range(_MAX_CORRELATION_STEPS):
        new = step(c)
        if abs(new - c) < _CORRELATION_STEP:
            break
        # Steffensen's step where plain iteration is slow.
        third = step(new)
        bend = third - 2.0 * new + c
        c = third if abs(bend) < _STRAIGHT else min(max(c - (new - c) ** 2 / bend, 0.0), 1.0)
    return c, slope(c)
