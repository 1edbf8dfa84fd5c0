"""A paper's figure measured again, as data: what the reporters of the gallery draw and write."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

LAYERS = "hidden layer, from the input"
"""What the axis of a figure over depth says."""


@dataclass(frozen=True)
class Row:
    """One statement: `paper` is what it says and where; `low` and `high` are what is accepted.

    `theory` is NaN where there is no theory; `basis` says where the tolerance comes from.
    """

    what: str
    paper: str
    theory: float
    low: float
    high: float
    measured: float
    basis: str

    @property
    def holds(self) -> bool:
        """Whether the measured figure is within the tolerance; a NaN is not."""
        return math.isfinite(self.measured) and self.low <= self.measured <= self.high


@dataclass(frozen=True)
class Curve:
    """One network over depth: measured, and in theory where there is one (NaN for none).

    `at` are the positions on the figure's axis, () for the layers 1, 2, ...; `theory_at` those of
    theory where it has others.
    """

    label: str
    measured: tuple[float, ...]
    theory: tuple[float, ...]
    at: tuple[float, ...] = ()
    theory_at: tuple[float, ...] = ()


@dataclass(frozen=True)
class PaperFigure:
    """What came of a paper: rows and curves, with the configs that were measured.

    `level` is a value that divides the picture, with its words.
    """

    name: str
    title: str
    citation: str
    shows: str
    differs: str
    quantity: str
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    configs: Mapping[str, Mapping[str, Any]]
    seeds: int
    axis: str = LAYERS
    level: tuple[float, str] | None = None

    @property
    def holds(self) -> bool:
        """Whether every row holds."""
        return all(row.holds for row in self.rows)
