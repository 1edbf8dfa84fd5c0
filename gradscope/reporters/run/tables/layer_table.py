"""The layer table as data: the figures and the findings of each layer.

The terminal and the HTML page draw it. All names are already safe to show.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from gradscope.analyzer.theory.expectation import standings
from gradscope.record import LayerInfo, RunRecord, VerdictStatus
from gradscope.record.run_record import Floats
from gradscope.record.statistics import MeasuredAt, NumberForm, columns, measured_at
from gradscope.reporters.delta_reference import LAST_HIDDEN, reference_name
from gradscope.reporters.layout import numbers
from gradscope.reporters.layout.character_plots import LogScale
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.tables.layer_figures import (
    FIGURES,
    GRADIENT,
    SIGNAL,
    caption,
    layer_figures,
    nonfinite_since,
)
from gradscope.reporters.run.tables.layer_notes import notes
from gradscope.reporters.unmeasured_reasons import reason_sentence

NAN = float("nan")
_GAINS = {
    SIGNAL: "its gain is against the hidden layer before",
    GRADIENT: "its gain is against the hidden layer after. x1 keeps the size",
}
_OF_DERIVATIVE = measured_at(MeasuredAt.DERIVATIVE, MeasuredAt.PROBE_SET)
_BAND = (
    " band: whether signal and gradient were in the expected 99% band at step 0, all layers "
    "together."
)


@dataclass(frozen=True)
class Mark:
    """A finding at a layer: its code and the detector's name."""

    code: str
    name: str
    severity: str


@dataclass(frozen=True)
class LayerRow:
    """One layer; NaN is "not measured" (or destroyed by non-finite values, then `note` says so).

    `signal` is the rms of z, `signal_gain` its ratio to the hidden layer before; `gradient` is the
    rms of delta over that of the table's reference, `gradient_gain` its ratio to the layer after.
    `figures` has one number for each statistic of `FIGURES`. `band` is where both are at step 0
    relative to theory's band, "" where theory has none.
    """

    index: int
    name: str
    kind: str
    role: str
    activation: str = ""
    signal: float = NAN
    signal_gain: float = NAN
    gradient: float = NAN
    gradient_gain: float = NAN
    figures: Mapping[str, float] = field(default_factory=dict)
    marks: tuple[Mark, ...] = ()
    note: str = ""
    mean_gap: float = NAN
    variance_ratio: float = NAN
    band: str = ""

    @property
    def weighted(self) -> bool:
        """Whether the layer is hidden or output: those have figures in the table."""
        return self.role in ("hidden", "output")


@dataclass(frozen=True)
class LayerTable:
    """All rows in depth order, `caption` saying which steps the figures come from.

    `notes` are sentences about the whole table, such as which layers have no row. `gains` is false
    where the network branches: then the ratio of neighbours has no meaning. `reference` is
    the layer whose delta the others are compared with.
    """

    rows: tuple[LayerRow, ...]
    caption: str
    notes: tuple[str, ...]
    gains: bool = True
    reference: str = LAST_HIDDEN

    @property
    def weighted(self) -> tuple[LayerRow, ...]:
        """The hidden and output layers."""
        return tuple(row for row in self.rows if row.weighted)

    @property
    def legend(self) -> str:
        """What the columns hold."""
        parts = []
        for name, column in columns().items():
            gain = f"; {_GAINS[name]}" if self.gains and name in _GAINS else ""
            text = column.legend
            if name == GRADIENT and self.reference != LAST_HIDDEN:
                text = f"rms of delta = dL/dz over that of {self.reference}"
            parts.append(f"{column.heading}: {text}{gain}.")
        return " ".join(parts) + (_BAND if self.banded else "")

    def scale(self, quantity: str) -> LogScale:
        """The log axis of the bars of ``signal`` or ``gradient``."""
        return LogScale.covering([getattr(row, quantity) for row in self.rows])

    @property
    def banded(self) -> bool:
        """Whether theory has a band for any of the layers."""
        return any(row.band for row in self.rows)


def layer_table(report: Report) -> LayerTable:
    """Make one row per hidden or output layer, and per other layer with a finding or a note."""
    record = report.record
    gains = not record.branches
    figures = layer_figures(record, gains=gains)
    marks, bands = _marks(report), _bands(report)
    rows: list[LayerRow] = []
    omitted: list[LayerInfo] = []
    for layer in record.layers:
        row = _row(layer, figures, marks.get(layer.name, ()), _note(layer, record, figures))
        row = replace(row, band=bands.get(layer.index, ""))
        if row.weighted or row.note or row.marks:
            rows.append(row)
        else:
            omitted.append(layer)
    return LayerTable(
        tuple(rows),
        caption(record),
        tuple(notes(record, omitted, gains)),
        gains,
        reference_name(record),
    )


def _row(
    layer: LayerInfo, figures: dict[str, Floats], marks: tuple[Mark, ...], note: str
) -> LayerRow:
    row = LayerRow(
        index=layer.index,
        name=printable(layer.name),
        kind=printable(layer.kind),
        role=layer.role,
        marks=marks,
        note=note,
        mean_gap=float(figures["batch_norm_mean_gap"][layer.index]),
        variance_ratio=float(figures["batch_norm_variance_ratio"][layer.index]),
    )
    if not row.weighted:
        return row
    at = layer.index
    # The slope of a linear layer is 1 by definition, not by measurement.
    linear = layer.activation == "linear"
    return replace(
        row,
        activation=printable(layer.activation or "linear"),
        signal=float(figures["signal"][at]),
        signal_gain=float(figures["signal_gain"][at]),
        gradient=float(figures["gradient"][at]),
        gradient_gain=float(figures["gradient_gain"][at]),
        figures={
            name: NAN if linear and name in _OF_DERIVATIVE else float(figures[name][at])
            for name in FIGURES
        },
    )


def cell(row: LayerRow, name: str) -> str:
    """The figure of a row under one of `FIGURES`, as its column writes it."""
    value = row.figures.get(name, NAN)
    percent = FIGURES[name].form is NumberForm.PERCENT
    return numbers.percent(value) if percent else numbers.number(value)


def _marks(report: Report) -> dict[str, tuple[Mark, ...]]:
    """Layer name -> the findings that name it, in the diagnosis's order."""
    marks: dict[str, list[Mark]] = {}
    for verdict in report.diagnosis.verdicts:
        for finding in verdict.findings if verdict.status is VerdictStatus.FINDING else ():
            mark = Mark(verdict.code, verdict.name.replace("_", " "), finding.severity)
            for name in finding.layers:
                at_layer = marks.setdefault(name, [])
                if all(mark.code != other.code for other in at_layer):
                    at_layer.append(mark)
    return {name: tuple(at_layer) for name, at_layer in marks.items()}


def _bands(report: Report) -> dict[int, str]:
    """Index of a layer -> where its signal and gradient are in theory's band at step 0."""
    if report.prediction is None:
        return {}
    texts: dict[int, str] = {}
    for standing in standings(report.record, report.prediction):
        name = "signal" if standing.quantity == "signal" else "gradient"
        texts |= {index: texts.get(index, "in") for index in standing.layers}
        for index in (standing.layers[position] for position in standing.outside):
            texts[index] = f"{name} out" if texts[index] == "in" else "both out"
    return texts


def _note(layer: LayerInfo, record: RunRecord, figures: dict[str, Floats]) -> str:
    """What the figures do not show: non-finite values, batch norm, why there are none."""
    parts: list[str] = []
    since = nonfinite_since(record, layer.index)
    if since is not None:
        parts.append(f"non-finite since step {since}")
    gap = float(figures["batch_norm_mean_gap"][layer.index])
    spread = float(figures["batch_norm_variance_ratio"][layer.index])
    if np.isfinite(gap) or np.isfinite(spread):
        parts.append(
            f"batch vs moving: mean gap {numbers.number(gap)}, var {numbers.ratio(spread)}"
        )
    if not layer.measured and layer.weighted:
        parts.append(f"{numbers.NOT_MEASURED}: {reason_sentence(layer)}")
    return "; ".join(parts)
