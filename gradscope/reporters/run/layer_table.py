"""The layer table as data: what each layer measured and what was found there.

The terminal and the HTML page draw it; nothing here knows how. All names are already safe to show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from gradscope.analyzer.curves.window import last, median, typical
from gradscope.analyzer.theory.expectation import standings
from gradscope.analyzer.wording import branches
from gradscope.record import LayerInfo, RunRecord
from gradscope.record.statistics import (
    STATISTICS,
    MeasuredAt,
    NumberForm,
    OverSteps,
    columns,
    measured_at,
)
from gradscope.reporters.layout import numbers
from gradscope.reporters.layout.character_plots import LogScale
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.relative_delta import relative_delta
from gradscope.reporters.report import Report

Floats = npt.NDArray[np.float64]
NAN = float("nan")
SIGNAL, GRADIENT = "preactivation_second_moment", "delta_second_moment"
FIGURES = {name: column for name, column in columns().items() if name not in (SIGNAL, GRADIENT)}
"""The columns beside signal and gradient, by the name of their statistic, from left to right."""

_GAINS = {
    SIGNAL: "its gain is against the hidden layer before",
    GRADIENT: "its gain is against the hidden layer after. x1 keeps the size",
}
_BATCH_NORM = measured_at(MeasuredAt.BATCH_NORM)
_OF_DERIVATIVE = measured_at(MeasuredAt.DERIVATIVE, MeasuredAt.PROBE_SET)
_BAND = (
    " band: whether signal and gradient lay in theory's 99% band at step 0, all layers together."
)
PLACES = (
    "A unit that stands at several places (pixels, time steps) has a delta at each: its gradient "
    "is that of all of them, added up in quadrature."
)
BRANCHES = (
    "This network branches: layers stand in the order in which they were called, and no gains are "
    "told from one to the next, which may stand on another path."
)
_LOOPS = frozenset(["SimpleRNN", "LSTM", "GRU"])
OWNED = "measured as the activation of"


@dataclass(frozen=True)
class Mark:
    """A finding at a layer: its code and its words."""

    code: str
    words: str
    severity: str


@dataclass(frozen=True)
class LayerRow:
    """One layer; NaN is "not measured" (or destroyed by non-finite values, then `note` says so).

    `signal` is the rms of z, `signal_gain` its ratio to the hidden layer before; `gradient` is the
    rms of delta over that of the last hidden layer, `gradient_gain` its ratio to the layer after.
    `figures` has one number for each statistic of `FIGURES`. `band` says in words where both lay at
    step 0 in theory's band, "" where theory has none.
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
        """Whether the layer is one of those the table is about: hidden or output."""
        return self.role in ("hidden", "output")


@dataclass(frozen=True)
class LayerTable:
    """All rows in depth order, `caption` saying which steps the figures come from.

    `notes` are sentences about the table as a whole: what has no row and why, among others. `gains`
    tells whether layers follow one another, so that gains between neighbours mean something.
    """

    rows: tuple[LayerRow, ...]
    caption: str
    notes: tuple[str, ...]
    gains: bool = True

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
            parts.append(f"{column.heading}: {column.legend}{gain}.")
        return " ".join(parts) + (_BAND if self.banded else "")

    def scale(self, quantity: str) -> LogScale:
        """The log axis of the bars of ``signal`` or ``gradient``."""
        return LogScale.covering([getattr(row, quantity) for row in self.rows])

    @property
    def banded(self) -> bool:
        """Whether theory has a band for any of the layers."""
        return any(row.band for row in self.rows)


def layer_table(report: Report) -> LayerTable:
    """Gather one row per hidden or output layer, and per other layer that has something to say."""
    record = report.record
    sound = _sound(record)
    window = last(len(sound.steps))
    figures = {name: _over_steps(name, sound.series[name], window) for name in FIGURES}
    figures |= {name: median(sound.series[name][window]) for name in _BATCH_NORM}
    gains = not branches(record.layers)
    figures |= _profile(sound, gains=gains)
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
    spread = any(row.weighted and record.layers[row.index].places > 1 for row in rows)
    notes = (
        () if gains else (BRANCHES,),
        (PLACES,) if spread else (),
        _recurrent(record.layers),
        _omitted(omitted),
    )
    return LayerTable(tuple(rows), _caption(sound, record), tuple(chain(*notes)), gains)


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


def _over_steps(name: str, values: Floats, window: slice) -> Floats:
    """One number per layer from `values` [step, layer] of a statistic with a column."""
    if FIGURES[name].form is NumberForm.RMS:
        values = np.sqrt(values)
    match STATISTICS[name].over_steps:
        case OverSteps.GEOMETRIC_MEAN:
            return typical(values)
        case OverSteps.LATEST:
            return _latest(values)
        case OverSteps.MEDIAN:
            return median(values[window])


def cell(row: LayerRow, name: str) -> str:
    """The figure of a row under one of `FIGURES`, as its column writes it."""
    value = row.figures.get(name, NAN)
    percent = FIGURES[name].form is NumberForm.PERCENT
    return numbers.percent(value) if percent else numbers.number(value)


def _profile(record: RunRecord, *, gains: bool) -> dict[str, Floats]:
    """Rms over depth and its gains: forward to the layer before, backward to the layer after.

    The figures are those that the verdicts rest on; being geometric means, their ratios are the
    typical ratios, and the column of gains multiplies out.
    """
    signal = typical(np.sqrt(record.series[SIGNAL]))
    gradient = typical(relative_delta(record))
    signal_gain, gradient_gain = np.full_like(signal, NAN), np.full_like(gradient, NAN)
    hidden = record.indices("hidden") if gains else ()
    stack = (*hidden, *record.indices("output")) if gains else ()
    with np.errstate(all="ignore"):
        for before, after in pairwise(stack):
            signal_gain[after] = signal[after] / signal[before]
        for before, after in pairwise(hidden):
            gradient_gain[before] = gradient[before] / gradient[after]
    return {
        "signal": signal,
        "signal_gain": np.where(np.isfinite(signal_gain), signal_gain, NAN),
        "gradient": gradient,
        "gradient_gain": np.where(np.isfinite(gradient_gain), gradient_gain, NAN),
    }


def nonfinite_since(record: RunRecord, index: int) -> int | None:
    """The first recorded step at which the layer held a NaN or an Inf, or None."""
    counts = record.series["nonfinite_count"][:, index]
    where = np.flatnonzero(np.nan_to_num(counts) > 0)
    return int(record.steps[where[0]]) if where.size else None


def _sound(record: RunRecord) -> RunRecord:
    """The record up to the first non-finite value: the figures after it say nothing."""
    broken = np.flatnonzero(np.nansum(record.series["nonfinite_count"], axis=1) > 0)
    if not broken.size or broken[0] == 0:
        return record
    end = int(broken[0])
    series = {name: values[:end] for name, values in record.series.items()}
    return replace(record, steps=record.steps[:end], series=series)


def _caption(sound: RunRecord, record: RunRecord) -> str:
    steps = sound.steps[last(len(sound.steps))]
    if not steps.size:
        return "no step was recorded"
    why = ", before the first non-finite value" if len(sound.steps) < len(record.steps) else ""
    if steps[-1] == 0:
        return f"figures at initialisation, before any update{why}"
    if steps.size == 1:
        return f"figures of step {steps[0]}{why}"
    return (
        f"figures over steps {steps[0]} to {steps[-1]}, the last quarter of those recorded{why}: "
        "geometric means of signal and gradient, medians of the rest"
    )


def _latest(values: Floats) -> Floats:
    """The last finite value of each layer: the probe set is not shown at every step."""
    latest = np.full(values.shape[1:], NAN)
    for row in values:
        latest = np.where(np.isfinite(row), row, latest)
    return latest


def _marks(report: Report) -> dict[str, tuple[Mark, ...]]:
    """Layer name -> the findings that name it, in the diagnosis's order."""
    marks: dict[str, list[Mark]] = {}
    for verdict in report.diagnosis.verdicts:
        for finding in verdict.findings if verdict.status == "finding" else ():
            mark = Mark(verdict.code, verdict.name.replace("_", " "), finding.severity)
            for name in finding.layers:
                known = marks.setdefault(name, [])
                if all(mark.code != other.code for other in known):
                    known.append(mark)
    return {name: tuple(found) for name, found in marks.items()}


def _bands(report: Report) -> dict[int, str]:
    """Index of a layer -> where its signal and its gradient lay in theory's band at step 0."""
    if report.prediction is None:
        return {}
    words: dict[int, str] = {}
    for standing in standings(report.record, report.prediction):
        word = "signal" if standing.quantity == "signal" else "gradient"
        words |= {index: words.get(index, "in") for index in standing.layers}
        for index in (standing.layers[position] for position in standing.outside):
            words[index] = f"{word} out" if words[index] == "in" else "both out"
    return words


def _note(layer: LayerInfo, record: RunRecord, figures: dict[str, Floats]) -> str:
    """What the figures alone do not say: non-finite values, batch norm, why there are none."""
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
    if not layer.measured and layer.role in ("hidden", "output"):
        parts.append(f"{numbers.NOT_MEASURED}: {printable(layer.reason) or 'no reason given'}")
    return "; ".join(parts)


def _recurrent(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """What the columns hold of layers whose activation cannot be reached."""
    loops = [layer for layer in layers if layer.kind in _LOOPS and layer.measured]
    if loops:
        yield (
            f"{_kinds(loops)}: the activation acts inside the loop, so the signal is the rms of "
            "what the layer gives, and there is no slope."
        )


def _omitted(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """What has no row: measured with nothing to say about it, or not measured, and why."""
    measured = [layer for layer in layers if layer.measured]
    if measured:
        count = numbers.plural(len(measured), "more layer")
        yield f"{count} measured, figures in result.json: {_kinds(measured)}"
    missing = [layer for layer in layers if not layer.measured]
    if missing:
        words = "; ".join(
            f"{_kinds(alike)} ({reason})" if reason else _kinds(alike)
            for reason, alike in _by_reason(missing)
        )
        yield f"{numbers.plural(len(missing), 'layer')} without figures of their own: {words}"


def _kinds(layers: Iterable[LayerInfo]) -> str:
    """How many of each kind: `Add x4, Softmax`."""
    counts = Counter(printable(layer.kind) for layer in layers)
    return ", ".join(kind if n == 1 else f"{kind} x{n}" for kind, n in counts.items())


def _by_reason(layers: Iterable[LayerInfo]) -> list[tuple[str, list[LayerInfo]]]:
    """The layers by the reason why they are not measured; that of an activation names its owner."""
    groups: dict[str, list[LayerInfo]] = {}
    for layer in layers:
        owned = layer.reason.startswith(OWNED)
        reason = f"{OWNED} the layer before" if owned else printable(layer.reason)
        groups.setdefault(reason, []).append(layer)
    return list(groups.items())
