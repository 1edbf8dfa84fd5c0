"""How every form writes numbers: three significant digits, never cut, plain ASCII.

Plain ASCII, so that a number copied from a table can be parsed in any language.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

MISSING = "-"
NOT_MEASURED = "not measured"


def number(value: float, missing: str = MISSING) -> str:
    """Three significant digits: 0.512, 12.3, 1234, 1.2e-09; inf in words, NaN as `missing`."""
    value = float(value)
    if math.isnan(value):
        return missing
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    if value == 0.0:
        return "0"
    if 999.5 <= abs(value) < 9999.5:
        return f"{value:.0f}"
    return f"{value:.3g}"


def short(value: float, missing: str = MISSING) -> str:
    """Two significant digits, for a number that people quote: 0.51, 1200, 1e-12."""
    return number(float(f"{float(value):.2g}"), missing)


def percent(share: float, missing: str = MISSING) -> str:
    """A share as a percentage with three significant digits: 12.3%, 0.004%, 100%."""
    share = float(share)
    return missing if math.isnan(share) else f"{number(100.0 * share)}%"


def ratio(value: float, missing: str = MISSING) -> str:
    """A factor: x0.21, x1, x3.4e+05."""
    value = float(value)
    return missing if math.isnan(value) else f"x{number(value)}"


def duration(seconds: float) -> str:
    """A time as people say it: 0.25 s, 44 s, 2 min, 1.7 h."""
    if seconds < 100.0:
        return f"{seconds:.2g} s" if seconds < 9.95 else f"{seconds:.0f} s"
    return f"{seconds / 60.0:.0f} min" if seconds < 6000.0 else f"{seconds / 3600.0:.1f} h"


def count(value: int) -> str:
    """A whole number with every digit, in groups of three: 60,000."""
    return f"{value:,}"


def interval(bounds: tuple[float, float]) -> str:
    """A range, both ends in one notation where they are near: 0.2 to 0.31, 9.9e-05 to 1.2e-04."""
    low, high = (number(end) for end in bounds)
    near = 0.0 < bounds[0] <= bounds[1] < 100.0 * bounds[0]
    if near and ("e" in low) != ("e" in high):
        low, high = (_with_exponent(end) for end in bounds)
    return f"{low} to {high}"


def _with_exponent(value: float) -> str:
    digits, exponent = f"{value:.2e}".split("e")
    return f"{float(digits):g}e{exponent}"


def span(values: Sequence[float]) -> str:
    """The range that `values` cover, or the one number they all print as."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return MISSING
    low, high = min(finite), max(finite)
    return number(low) if number(low) == number(high) else interval((low, high))
