"""One exit code for several configs."""

from __future__ import annotations

from collections.abc import Iterable

ORDER = (130, 143, 3, 2, 4, 1, 0)
"""From the worst: an interrupted or failed measurement says less than any verdict."""


def worst(codes: Iterable[int]) -> int:
    """The worst of `codes`; 0 of none."""
    return min(codes, key=ORDER.index, default=0)
