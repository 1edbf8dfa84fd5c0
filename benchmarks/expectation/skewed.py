"""Whole graphs in which a few figures are not normal: how many alarms are left beyond a margin.

Of the figures of graphs, three in a hundred have logarithms of a skewness beyond 0.8 over draws:
what a global average leaves of few channels, gates, and delta below the logits. Here they are
logarithms of chi-squared of four terms (skewness -0.8) or of one (-1.5), the others are normal.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gradscope.theory.prediction import Band

SHARE = 0.03
TERMS = (4, 1)
FIGURES = 60
MARGINS = (0.0, 0.05, 0.1, 0.15, 0.25)
STARTS, AT_ONCE = 20_000, 1000


@dataclass(frozen=True)
class Skewed:
    """Shares of starts with a figure outside, by margin; `asked` is the share that may have."""

    terms: int
    skewness: float
    asked: float
    shares: tuple[float, ...]


def measure(draws: int, asked: float) -> list[dict[str, Any]]:
    """A row for each of `TERMS`, in JSON's types."""
    return [asdict(_row(terms, draws, asked)) for terms in TERMS]


def _row(terms: int, draws: int, asked: float) -> Skewed:
    rng = np.random.default_rng(terms)
    odd = max(1, round(SHARE * FIGURES))
    reach = Band(np.zeros(1), np.ones(1), draws).reach(0.5 * asked / FIGURES)
    far = []
    for _ in range(STARTS // AT_ONCE):
        logs = rng.normal(size=(AT_ONCE, 1 + draws, FIGURES))
        logs[..., :odd] = np.log(rng.chisquare(terms, size=(AT_ONCE, 1 + draws, odd)))
        own, drawn = logs[:, 0], logs[:, 1:]
        away = np.abs(own - drawn.mean(axis=1)) / drawn.std(axis=1, ddof=1)
        far.append(away.max(axis=1) / reach)
    beyond = np.concatenate(far)
    sample = np.log(rng.chisquare(terms, size=400_000))
    skewness = float((((sample - sample.mean()) / sample.std()) ** 3).mean())
    shares = tuple(float((beyond > 1.0 + margin).mean()) for margin in MARGINS)
    return Skewed(terms, skewness, asked, shares)
