"""What every form of a sweep's report shows: states, the map of two axes, the ranking."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np
import numpy.typing as npt

from gradscope.message_text import counted
from gradscope.record.sweep_table import Look, RowStatus, SweepAxis, SweepRow, SweepTable

STATES = (
    "healthy",
    "warning",
    "unhealthy",
    "inconclusive",
    "failed",
    "partial",
    "pending",
    "within",
    "beyond",
    "outside",
)
"""States of a row. The last three are theory's: the depth is within the trainable one, beyond it,
or theory does not apply."""

STATE_WORDS = {
    "within": "within the trainable depth",
    "beyond": "deeper than the trainable depth",
    "outside": "outside theory",
}

_WORST_FIRST = (
    "failed",
    "unhealthy",
    "beyond",
    "partial",
    "inconclusive",
    "outside",
    "pending",
    "warning",
    "within",
    "healthy",
)


@dataclass(frozen=True)
class Figure:
    """A figure by which members are compared: its column, its name, and what is better.

    `better` is ``high``, ``low``, or ``one`` for a factor per layer, whose best value is 1.
    """

    column: str
    title: str
    better: str


FIGURES = (
    Figure("test_accuracy", "accuracy on the test set", "high"),
    Figure("test_loss", "loss on the test set", "low"),
    Figure("accuracy", "accuracy of the last batches", "high"),
    Figure("loss", "loss of the last batches", "low"),
    Figure("init_delta_per_layer", "factor on delta per layer going back, as drawn", "one"),
    Figure("theory_delta_per_layer", "factor on delta per layer going back, by theory", "one"),
)


def leading_figure(table: SweepTable) -> Figure | None:
    """The first of `FIGURES` that the look of the table measures; None of an empty table."""
    for figure in FIGURES:
        if any(math.isfinite(row.number(figure.column)) for row in table.rows):
            return figure
    return None


def state_of(row: SweepRow) -> str:
    """The state of a row: one of `STATES`."""
    status = row.text("status")
    if status in (RowStatus.FAILED, RowStatus.PARTIAL, RowStatus.PENDING):
        return status
    if status == RowStatus.PREDICTED:
        depth = row.number("theory_trainable_depth")
        if row.text("theory_outside") or math.isnan(depth):
            return "outside"
        return "within" if row.number("hidden_layers") <= depth else "beyond"
    return row.text("verdict") or "inconclusive"


def worst_state(states: Sequence[str]) -> str:
    """The worst of some states."""
    return min(states, key=_WORST_FIRST.index)


def state_counts(table: SweepTable) -> list[tuple[str, int]]:
    """How many rows have each state, in the order of `STATES`."""
    counts = Counter(map(state_of, table.rows))
    return [(state, counts[state]) for state in STATES if counts[state]]


def counts_text(table: SweepTable) -> str:
    """``12 healthy, 3 unhealthy``."""
    return ", ".join(
        f"{count:,} {STATE_WORDS.get(state, state)}" for state, count in state_counts(table)
    )


def title(table: SweepTable) -> str:
    """``Sweep phase_diagram: 96 members, 48 combinations of 2 seeds``."""
    combinations = len({row.cells["combination"] for row in table.rows})
    seeds = (
        f", {counted(combinations, 'combination')} of {table.seeds} seeds"
        if table.seeds > 1
        else ""
    )
    looks = {
        Look.THEORY: "by theory alone",
        Look.AT_INIT: "as drawn, not trained",
        Look.TRAINED: "trained",
    }
    return f"Sweep {table.name}: {counted(len(table.rows), 'member')}{seeds}, {looks[table.look]}"


def mapped(table: SweepTable) -> bool:
    """Whether the axes make a map: a grid of listed values."""
    return table.combine == "grid" and all(axis.labels for axis in table.axes)


def groups(
    rows: Sequence[SweepRow], positions: Sequence[int]
) -> dict[tuple[str, ...], list[SweepRow]]:
    """The rows by their labels on some of the axes."""
    grouped: dict[tuple[str, ...], list[SweepRow]] = {}
    for row in rows:
        grouped.setdefault(tuple(row.labels[i] for i in positions), []).append(row)
    return grouped


@dataclass(frozen=True)
class Ranked:
    """A combination of axis values: its mean figure over the seeds, and its rows."""

    figure: float
    rows: tuple[SweepRow, ...]

    @property
    def state(self) -> str:
        """The worst state of its seeds."""
        return worst_state([state_of(row) for row in self.rows])

    @property
    def code(self) -> str:
        """The leading code of a seed that has the worst state."""
        return next((r.text("code") for r in self.rows if state_of(r) == self.state), "")

    def mean(self, column: str) -> float:
        """Mean over the seeds; a geometric one for factors and ratios. NaN where one is missing."""
        return mean_of(self.rows, column)


def is_factor(column: str) -> bool:
    """Whether a column holds factors, whose mean is a geometric one."""
    return column.endswith(("_per_layer", "_ratio", "chi_1"))


def mean_of(rows: Sequence[SweepRow], column: str) -> float:
    """Mean of a column over rows; NaN where nothing was measured, inf where one is infinite."""
    values = [v for row in rows if not math.isnan(v := row.number(column))]
    if not values:
        return math.nan
    if is_factor(column):
        positive = [math.log(v) for v in values if 0 < v < math.inf]
        return math.exp(fmean(positive)) if len(positive) == len(values) else math.nan
    return fmean(values) if all(map(math.isfinite, values)) else math.inf


def ranking(table: SweepTable) -> list[Ranked]:
    """The combinations, the best first: by the leading figure, those without it last."""
    figure = leading_figure(table)
    by_combination: dict[object, list[SweepRow]] = {}
    for row in table.rows:
        by_combination.setdefault(row.cells["combination"], []).append(row)
    ranked = [
        Ranked(mean_of(rows, figure.column) if figure else math.nan, tuple(rows))
        for rows in by_combination.values()
    ]
    order = _order(figure.better if figure else "high")
    return sorted(ranked, key=lambda r: (math.isnan(r.figure), order(r.figure)))


def _order(better: str) -> Callable[[float], float]:
    def key(value: float) -> float:
        if math.isnan(value):
            return 0.0
        if better == "high":
            return -value
        if better == "low":
            return value
        return abs(math.log(value)) if 0 < value < math.inf else math.inf

    return key


def boundary_correlation(table: SweepTable) -> float:
    """Rank correlation of the leading figure with theory's trainable depth over the real one.

    Spearman's, over the members that have both; 1 where what theory calls further within the
    boundary is always better. NaN where there are fewer than 8 members, or nothing varies.
    """
    figure = leading_figure(table)
    if figure is None or figure.better == "one":
        return math.nan
    sign = 1.0 if figure.better == "high" else -1.0
    pairs = [
        (sign * row.number(figure.column), row.number("theory_trainable_depth") / depth)
        for row in table.rows
        if (depth := row.number("hidden_layers")) > 0
    ]
    known = [(a, min(b, 1e9)) for a, b in pairs if math.isfinite(a) and not math.isnan(b)]
    if len(known) < 8:
        return math.nan
    first, second = (_ranks([pair[i] for pair in known]) for i in (0, 1))
    if np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return math.nan
    return float(np.corrcoef(first, second)[0, 1])


def _ranks(values: Sequence[float]) -> npt.NDArray[np.float64]:
    """Ranks from 1; equal values share the mean of theirs."""
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    means: npt.NDArray[np.float64] = (last - (counts - 1) / 2.0)[place]
    return means


def boundary_text(table: SweepTable) -> str:
    """A sentence on `boundary_correlation`; "" where there is none."""
    correlation, figure = boundary_correlation(table), leading_figure(table)
    if math.isnan(correlation) or figure is None:
        return ""
    return (
        f"rank correlation of the {figure.title} with theory's trainable depth over the depth: "
        f"{correlation:.2f}"
    )


def axis_name(axis: SweepAxis) -> str:
    """The axis with the part before its key where the last part says too little."""
    if len(axis.keys) != 1:
        return axis.name
    parts = axis.keys[0].split(".")
    vague = parts[-1] in ("scale", "stddev", "name", "value", "gain", "seed") and len(parts) > 2
    return ".".join(parts[-2:]) if vague else parts[-1]
