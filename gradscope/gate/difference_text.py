"""Differences of figures as text: factors of an rms in %, shares in points."""

from __future__ import annotations

import math
from collections.abc import Callable

PERCENT_UP_TO = 2.0
"""Factors from here on are written as factors: x2, not +100%."""


def rms(log_second_moment: float) -> float:
    """The rms whose second moment has this logarithm; NaN for NaN."""
    return math.inf if log_second_moment >= 1400 else math.exp(0.5 * log_second_moment)


def factor(difference: float) -> str:
    """A difference of logarithms of second moments as the change of an rms: ``+10%``, ``x3``."""
    if not math.isfinite(difference):
        return _not_finite(difference)
    ratio = _ratio(difference)
    if 1.0 / PERCENT_UP_TO < ratio < PERCENT_UP_TO:
        return f"{_signed(100.0 * (ratio - 1.0))}%"
    return f"x{ratio:.3g}"


def _ratio(difference: float) -> float:
    return math.exp(min(0.5 * difference, 700.0))


def _not_finite(difference: float) -> str:
    if math.isnan(difference):
        return "not measured"
    return "appeared" if difference > 0 else "vanished"


def points(difference: float) -> str:
    """A difference of shares in points of a percent: ``+12 points``."""
    return f"{_signed(100.0 * difference)} points"


def _signed(value: float) -> str:
    digits = f"{abs(value):.2g}"
    return f"{'-' if value < 0 else '+'}{digits if float(digits) else '0'}"


def interval(low: float, high: float, describe: Callable[[float], str]) -> str:
    """``+9% to +11%``, ``+1 to +3 points``, or one figure where both ends have the same text.

    Both ends have one notation: a factor at one end makes a factor of the other, ``x0.4 to x0.9``.
    """
    first, last = describe(low), describe(high)
    if first.startswith("x") and last.endswith("%"):
        last = f"x{_ratio(high):.3g}"
    elif last.startswith("x") and first.endswith("%"):
        first = f"x{_ratio(low):.3g}"
    if first == last:
        return first
    unit = " points"
    return f"{first.removesuffix(unit) if last.endswith(unit) else first} to {last}"
