"""The weights as data: at the start beside what their initializers promise, and since then.

The terminal and the HTML page draw it. All names are already safe to show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from gradscope.analyzer.theory.initial_weights import (
    WeightStanding,
    WeightState,
    weight_standings,
)
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.message_text import counted
from gradscope.record import RunRecord
from gradscope.record.run_record import Floats
from gradscope.reporters.layout import numbers
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.run.tables.layer_figures import latest
from gradscope.theory.prediction import LEVEL

TITLE = "Weights before the first update, and what their initializers promise"
NORM_TITLE = "Gamma and beta of batch norms, when last measured"
LEGEND = (
    "variance: of the n entries. promised: by the initializer. ratio: variance over promised. "
    f"within: where the ratio lies for {LEVEL:.0%} of initialisations, all weights together. "
    "limit: largest distance from the mean that the initializer allows; largest: of the entries. "
    "now: variance of the kernel when last measured, over that at the start."
)
STATES = {
    WeightState.AS_INITIALISED: "",
    WeightState.NOT_AS_INITIALISED: "not as initialised: loaded, trained or assigned weights",
    WeightState.NO_PROMISE: "no initializer that the catalog has",
}
_FOLD_ABOVE, _SHORTEST_FOLD = 12, 4


@dataclass(frozen=True)
class WeightRow:
    """One weight matrix; NaN is "not promised" or "not measured".

    `low` and `high` are the ends of the interval of `ratio`. `now` is on the first matrix of its
    layer, whose matrices are measured together. `state` is "" where the weights are as initialised.
    """

    name: str
    initializer: str
    shape: tuple[int, ...]
    variance: float
    promised: float
    ratio: float
    low: float
    high: float
    limit: float
    reach: float
    now: float
    state: str

    @property
    def count(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def interval(self) -> str:
        """The interval of the ratio as text."""
        return interval(self.low, self.high)


@dataclass(frozen=True)
class WeightFold:
    """Consecutive matrices of one shape and initializer, shown as one line."""

    rows: tuple[WeightRow, ...]

    @property
    def text(self) -> str:
        """The number of matrices, and the range of their figures."""
        spans = (
            f"{label}{numbers.span([getattr(row, name) for row in self.rows])}"
            for label, name in (("ratio ", "ratio"), ("now x", "now"))
        )
        return f"... {counted(len(self.rows), 'layer')} like these: {', '.join(spans)}"


@dataclass(frozen=True)
class NormRow:
    """One batch norm; NaN where it has no gamma or no beta."""

    name: str
    gamma_mean: float
    gamma_rms: float
    beta_rms: float


@dataclass(frozen=True)
class WeightTable:
    """The matrices and the batch norms, each in the order of the layers."""

    rows: tuple[WeightRow, ...]
    norms: tuple[NormRow, ...]

    @property
    def legend(self) -> str:
        """What the columns hold, and what each initializer draws."""
        names = dict.fromkeys(row.initializer for row in self.rows)
        formulas = [f"{n}: {INITIALIZERS[n].formula}." for n in names if n in INITIALIZERS]
        return " ".join([LEGEND, *formulas])

    @property
    def folded(self) -> list[WeightRow | WeightFold]:
        """The rows, with the inside of long uniform runs as one entry."""
        return list(_folded(self.rows))


def weight_table(record: RunRecord) -> WeightTable:
    """Make one row per weight matrix and one per batch norm."""
    now = _growth(record.series["weight_variance"])
    columns = {layer.name: layer.index for layer in record.layers}
    rows: list[WeightRow] = []
    named: set[str] = set()
    standings = weight_standings(record)
    for standing in standings:
        layer = standing.weight.layer
        several = sum(other.weight.layer == layer for other in standings) > 1
        growth = math.nan if layer in named else float(now[columns[layer]])
        named.add(layer)
        rows.append(_row(standing, growth, several=several))
    return WeightTable(tuple(rows), _norms(record))


def interval(low: float, high: float) -> str:
    """Ends of an interval of ratios, with the digits that ratios near 1 need."""
    return numbers.MISSING if math.isnan(low) else f"{ratio_text(low)} to {ratio_text(high)}"


def ratio_text(value: float) -> str:
    """A ratio near 1 with four digits behind the point, others with three digits."""
    return f"{value:.4f}" if 0.5 <= value < 2.0 else numbers.number(value)


def _row(standing: WeightStanding, now: float, *, several: bool) -> WeightRow:
    weight, made = standing.weight, standing.promise
    promised = made.variance if made else math.nan
    scale = promised if promised > 0.0 else math.nan
    low, high = standing.interval or (math.nan, math.nan)
    name = f"{weight.layer} {weight.weight}" if several else weight.layer
    return WeightRow(
        name=printable(name),
        initializer=printable(weight.initializer or numbers.MISSING),
        shape=weight.shape,
        variance=weight.variance,
        promised=promised,
        ratio=weight.variance / scale,
        low=low / scale,
        high=high / scale,
        limit=made.limit if made and made.limit is not None else math.nan,
        reach=standing.reach,
        now=now,
        state=STATES[standing.state],
    )


def _growth(variance: Floats) -> Floats:
    """The last measured variance of each layer over the first one."""
    if not len(variance):
        return np.full(variance.shape[1:], np.nan)
    with np.errstate(all="ignore"):
        growth: Floats = latest(variance) / variance[0]
    return np.where(variance[0] > 0.0, growth, np.nan)


def _norms(record: RunRecord) -> tuple[NormRow, ...]:
    mean = latest(record.series["batch_norm_gamma_mean"])
    gamma = np.sqrt(latest(record.series["batch_norm_gamma_second_moment"]))
    beta = np.sqrt(latest(record.series["batch_norm_beta_second_moment"]))
    return tuple(
        NormRow(
            printable(layer.name),
            float(mean[layer.index]),
            float(gamma[layer.index]),
            float(beta[layer.index]),
        )
        for layer in record.layers
        if np.isfinite(gamma[layer.index]) or np.isfinite(beta[layer.index])
    )


def _folded(rows: Sequence[WeightRow]) -> list[WeightRow | WeightFold]:
    if len(rows) <= _FOLD_ABOVE:
        return list(rows)
    entries: list[WeightRow | WeightFold] = []
    for _, group in groupby(rows, lambda row: (row.initializer, row.shape, row.state)):
        alike = tuple(group)
        if len(alike) < _SHORTEST_FOLD + 2:
            entries.extend(alike)
        else:
            entries.extend((alike[0], WeightFold(alike[1:-1]), alike[-1]))
    return entries
