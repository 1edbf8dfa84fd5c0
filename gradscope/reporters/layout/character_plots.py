"""Bars and sparklines made of characters, in Unicode or in ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"
_ASCII_LEVELS = "_.:-=+*#"
_FEWEST_DECADES = 3
_ZERO, _ASCII_ZERO = "·", "."


@dataclass(frozen=True)
class LogScale:
    """An axis of whole decades, from ``10**low`` to ``10**high``."""

    low: int
    high: int

    @classmethod
    def covering(cls, values: Sequence[float]) -> LogScale:
        """The decades that hold all finite positive `values`.

        At least three of them, so that a flat profile looks flat.
        """
        logs = [math.log10(value) for value in values if 0 < value < math.inf]
        if not logs:
            return cls(-_FEWEST_DECADES, 0)
        high = math.ceil(max(logs) - 1e-9)
        return cls(min(math.floor(min(logs) + 1e-9), high - _FEWEST_DECADES), high)

    def fraction(self, value: float) -> float:
        """The position of `value` between the ends, 0 to 1; 0 for what a log axis cannot show."""
        if math.isnan(value) or value <= 0:
            return 0.0
        if math.isinf(value):
            return 1.0
        fraction = (math.log10(value) - self.low) / (self.high - self.low)
        return min(1.0, max(0.0, fraction))

    def __str__(self) -> str:
        if self.low >= -3 and self.high <= 4:
            return f"{10.0**self.low:g} to {10.0**self.high:g}"
        return f"1e{self.low:+03d} to 1e{self.high:+03d}"


def bar(fraction: float, width: int, unicode: bool) -> str:
    """A bar of at most `width` columns; anything above 0 has at least the narrowest character."""
    if not unicode:
        full = round(fraction * width)
        return "#" * (max(full, 1) if fraction > 0 else 0)
    eighths = round(fraction * width * 8)
    if fraction > 0:
        eighths = max(eighths, 1)
    full, rest = divmod(eighths, 8)
    return "█" * full + (_EIGHTHS[rest] if rest else "")


def sparkline(
    values: Sequence[float],
    width: int,
    unicode: bool,
    span: tuple[float, float] | None = None,
) -> str:
    """`values` in at most `width` characters; ``!`` where no value is finite.

    `span` gives the values of the lowest and the highest character; default: the range of `values`.
    """
    if not values:
        return ""
    levels = _LEVELS if unicode else _ASCII_LEVELS
    points = _means(values, width)
    finite = [point for point in points if math.isfinite(point)]
    low, high = span or ((min(finite), max(finite)) if finite else (0.0, 0.0))

    def character(point: float) -> str:
        if not math.isfinite(point):
            return "!"
        # Halved first: the difference of two finite floats may not be finite.
        height = (point / 2 - low / 2) / (high / 2 - low / 2) if high > low else 0.0
        return levels[round(height * (len(levels) - 1))]

    return "".join(character(point) for point in points)


def log_heights(values: Sequence[float], scale: LogScale) -> tuple[float, ...]:
    """Positions on `scale`; NaN stays, and a value of zero is negative."""
    return tuple(
        math.nan if math.isnan(value) else -1.0 if value == 0 else scale.fraction(value)
        for value in values
    )


def strip(heights: Sequence[float], width: int, unicode: bool) -> str:
    """Characters over `width` columns: few heights are repeated, many are averaged.

    Heights are from 0 to 1; a negative one is none at all, a dot.
    """
    if not heights:
        return ""
    if len(heights) < width:
        heights = [heights[i * len(heights) // width] for i in range(width)]
    if min(heights) >= 0.0 or any(math.isnan(height) for height in heights):
        return sparkline(heights, width, unicode, span=(0.0, 1.0))
    zero = _ZERO if unicode else _ASCII_ZERO
    drawn = sparkline([max(0.0, height) for height in heights], width, unicode, span=(0.0, 1.0))
    step = len(heights) / len(drawn)
    return "".join(
        zero if heights[int(i * step)] < 0 else character for i, character in enumerate(drawn)
    )


def _means(values: Sequence[float], width: int) -> list[float]:
    """One value per character: the mean of its values, not finite where one of them is not."""
    if len(values) <= width:
        return list(values)
    edges = [round(i * len(values) / width) for i in range(width + 1)]
    shares = [values[a:b] for a, b in pairwise(edges)]
    return [sum(value / len(share) for value in share) for share in shares]
