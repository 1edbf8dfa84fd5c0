"""The layer table as data: what each layer measured and what was found there.

The terminal and the HTML page draw it; nothing here knows how. All names are already safe to show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise

import numpy as np
import numpy.typing as npt

from gradscope.analyzer.curves.window import last, median, typical
from gradscope.analyzer.theory.expectation import standings
from gradscope.record import LayerInfo, RunRecord, Trait
from gradscope.reporters.layout import numbers
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.unmeasured_reasons import reason_sentence

Floats = npt.NDArray[np.float64]
NAN = float("nan")
_MEDIANS = (
    "derivative_gain",
    "update_ratio",
    "batch_norm_mean_gap",
    "batch_norm_variance_ratio",
)
_FLOW = (
    "signal: rms of z, what the activation receives. "
    "gradient: rms of delta = dL/dz over that of the last hidden layer. "
)
_FLOW_AND_GAINS = (
    "signal: rms of z, what the activation receives; its gain is against the hidden layer before. "
    "gradient: rms of delta = dL/dz over that of the last hidden layer; its gain is against the "
    "hidden layer after. x1 keeps the size. "
)
_REST = (
    "dead: units whose slope is 0 for every sample of the "
    "probe set, when last shown. phi' gain: mean slope of the activation over its largest, near 0 "
    "when saturated; a linear layer has neither. update: rms of the change of the weights over "
    "their rms."
)
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
    `band` says in words where both lay at step 0 in theory's band, "" where theory has none.
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
    dead: float = NAN
    derivative_gain: float = NAN
    update_ratio: float = NAN
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
        flow = _FLOW_AND_GAINS if self.gains else _FLOW
        return flow + _REST + (_BAND if self.banded else "")

    @property
    def banded(self) -> bool:
        """Whether theory has a band for any of the layers."""
        return any(row.band for row in self.rows)


def layer_table(report: Report) -> LayerTable:
    """Gather one row per hidden or output layer, and per other layer that has something to say."""
    record = report.record
    sound = _sound(record)
    window = last(len(sound.steps))
    figures = {name: median(sound.series[name][window]) for name in _MEDIANS}
    figures["dead_fraction"] = _latest(sound.series["dead_fraction"])
    gains = not record.branches
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
    spread = any(row.weighted and record.layers[row.index].positions > 1 for row in rows)
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
        dead=NAN if linear else float(figures["dead_fraction"][at]),
        derivative_gain=NAN if linear else float(figures["derivative_gain"][at]),
        update_ratio=float(figures["update_ratio"][at]),
    )


def _profile(record: RunRecord, *, gains: bool) -> dict[str, Floats]:
    """Rms over depth and its gains: forward to the layer before, backward to the layer after.

    The figures are those that the verdicts rest on; being geometric means, their ratios are the
    typical ratios, and the column of gains multiplies out.
    """
    signal = typical(np.sqrt(record.series["preactivation_second_moment"]))
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


def relative_delta(record: RunRecord) -> Floats:
    """Rms of a unit's delta over that of the last measured hidden layer, [step, layer].

    A unit that stands at several places (pixels, time steps) has a delta at each: they add up in
    quadrature, as in the verdicts.
    """
    positions = np.array([layer.positions for layer in record.layers], np.float64)
    rms: Floats = np.sqrt(record.series["delta_second_moment"] * positions)
    hidden = record.indices("hidden") or record.indices("output")
    if not hidden:
        return np.full_like(rms, np.nan)
    with np.errstate(all="ignore"):
        result: Floats = rms / rms[:, hidden[-1], None]
    result[~np.isfinite(result)] = np.nan
    return result


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


def _note(layer: LayerInfo, record: RunRecord, columns: dict[str, Floats]) -> str:
    """What the figures alone do not say: non-finite values, batch norm, why there are none."""
    parts: list[str] = []
    since = nonfinite_since(record, layer.index)
    if since is not None:
        parts.append(f"non-finite since step {since}")
    gap = float(columns["batch_norm_mean_gap"][layer.index])
    spread = float(columns["batch_norm_variance_ratio"][layer.index])
    if np.isfinite(gap) or np.isfinite(spread):
        parts.append(
            f"batch vs moving: mean gap {numbers.number(gap)}, var {numbers.ratio(spread)}"
        )
    if not layer.measured and layer.role in ("hidden", "output"):
        parts.append(f"{numbers.NOT_MEASURED}: {reason_sentence(layer)}")
    return "; ".join(parts)


def _recurrent(layers: Sequence[LayerInfo]) -> Iterator[str]:
    """What the columns hold of layers whose activation cannot be reached."""
    loops = [layer for layer in layers if Trait.LOOP in layer.traits and layer.measured]
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
        reason = reason_sentence(layer, owner="the layer before") if layer.reason else ""
        groups.setdefault(reason, []).append(layer)
    return list(groups.items())
