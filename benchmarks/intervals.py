"""How sure a counted share is."""

from __future__ import annotations

import math
from typing import Any


def clopper_pearson(hits: int, count: int, level: float = 0.95) -> tuple[float, float]:
    """The exact interval of a share, by bisection of the binomial distribution."""
    tail = (1.0 - level) / 2.0

    def below(p: float, most: int) -> float:
        """P(at most `most` hits)."""
        if p <= 0.0 or p >= 1.0:
            return float(p <= 0.0 or most >= count)
        logs = [
            math.lgamma(count + 1)
            - math.lgamma(k + 1)
            - math.lgamma(count - k + 1)
            + k * math.log(p)
            + (count - k) * math.log1p(-p)
            for k in range(most + 1)
        ]
        return min(1.0, sum(math.exp(x) for x in logs))

    def solve(wanted: Any) -> float:
        low, high = 0.0, 1.0
        for _ in range(50):
            middle = (low + high) / 2.0
            low, high = (middle, high) if wanted(middle) else (low, middle)
        return (low + high) / 2.0

    lower = 0.0 if hits == 0 else solve(lambda p: 1.0 - below(p, hits - 1) < tail)
    upper = 1.0 if hits == count else solve(lambda p: below(p, hits) > tail)
    return lower, upper
