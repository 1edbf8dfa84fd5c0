"""Student's t distribution: tail probability and quantile, in numpy's precision and without SciPy.

Through the regularized incomplete beta function, by its continued fraction (Abramowitz & Stegun
26.5.8, evaluated by Lentz's method); P(|T| > t) = I_x(nu/2, 1/2) with x = nu / (nu + t^2) (26.7.1).
"""

from __future__ import annotations

import math
from statistics import NormalDist

_TINY = 1e-300
_ENOUGH = 500


def two_sided(t: float, degrees: float) -> float:
    """P(|T| > |t|) for `degrees` of freedom; 0 for an infinite t, NaN for NaN."""
    if math.isnan(t):
        return math.nan
    if math.isinf(t):
        return 0.0
    return _incomplete_beta(degrees / (degrees + t * t), degrees / 2.0, 0.5)


def quantile(tail: float, degrees: float) -> float:
    """The t that |T| exceeds with probability `tail`, 0 < tail < 1.

    By Newton's method on ln P over ln t, where the tail is close to a straight line.
    """
    t = -NormalDist().inv_cdf(tail / 2.0) if tail < 1.0 else 0.0
    t = max(t, 1e-9)
    for _ in range(_ENOUGH):
        probability = two_sided(t, degrees)
        slope = -2.0 * t * _density(t, degrees) / probability
        step = math.log(tail / probability) / slope
        t *= math.exp(max(-2.0, min(2.0, step)))
        if abs(step) < 1e-13:
            break
    return t


def _density(t: float, degrees: float) -> float:
    logs = math.lgamma((degrees + 1.0) / 2.0) - math.lgamma(degrees / 2.0)
    logs -= 0.5 * math.log(degrees * math.pi)
    return math.exp(logs - 0.5 * (degrees + 1.0) * math.log1p(t * t / degrees))


def _incomplete_beta(x: float, a: float, b: float) -> float:
    if x <= 0.0 or x >= 1.0:
        return 0.0 if x <= 0.0 else 1.0
    logs = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    front = math.exp(logs + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1.0) / (a + b + 2.0):
        return front * _fraction(x, a, b) / a
    return 1.0 - front * _fraction(1.0 - x, b, a) / b


def _fraction(x: float, a: float, b: float) -> float:
    """The continued fraction of A&S 26.5.8, by the modified Lentz method."""
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, _ENOUGH):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        step = 1.0
        for term in (even, odd):
            d = 1.0 / _away(1.0 + term * d)
            c = _away(1.0 + term / c)
            step = c * d
            value *= step
        if abs(step - 1.0) < 1e-15:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
