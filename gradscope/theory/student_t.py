"""Student's t distribution: tail probability and quantile.

SciPy's special functions are imported when called: they take 0.2 s, and most checks need none.
`scipy.stats` has the same functions and takes more than a second.
"""

from __future__ import annotations


def two_sided(t: float, degrees: float) -> float:
    """P(|T| > |t|) for `degrees` of freedom; 0 for an infinite t, NaN for NaN."""
    from scipy.special import stdtr

    return 2.0 * float(stdtr(degrees, -abs(t)))


def quantile(tail: float, degrees: float) -> float:
    """The t that |T| exceeds with probability `tail`, 0 < tail < 1."""
    from scipy.special import stdtrit

    return -float(stdtrit(degrees, tail / 2.0))
