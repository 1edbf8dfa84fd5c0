"""Three lines of a terminal: what happens over depth, over time steps, and to the loss."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from rich.cells import cell_len
from rich.text import Text

from gradscope.analyzer.curves import loss_curve, through_time, window
from gradscope.analyzer.curves.depth_profile import DepthProfile, depth_profile
from gradscope.analyzer.theory.expectation import standings
from gradscope.record import Finding, Role, RunRecord, Verdict, VerdictStatus
from gradscope.record.run_record import Floats, Integers
from gradscope.reporters.layout.character_plots import LogScale, log_heights, strip
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer.lead import constant_loss, misfit
from gradscope.theory.prediction import Source

WIDTH = 20
"""Columns of a strip: one per layer up to twenty, so that a bad range can be counted."""

_INDENT = 11
_RANGE = 14
_NAME = 16
"""Columns of a layer's name above the curves."""

_WHOLE = 0.95
"""A threshold of dead units from here on is that of a layer that is dead as a whole."""

_DOMAIN = "1/1000 to 1000"
"""The ratios over depth that GS101, GS102, GS201 and GS202 let pass."""


@dataclass(frozen=True)
class CurveLine:
    """A label, heights from 0 to 1 (NaN where there is no figure, negative for none at all), the
    figures at both ends, and one note with the mark of a severity or a status."""

    label: str
    heights: tuple[float, ...]
    ends: str
    tone: str = ""
    note: str = ""


def add_curves(page: Page, report: Report, lead: Verdict | None) -> None:
    """Put up to three lines on the page, the names of the first and the last layer above them."""
    lines = list(_lines(report, lead))
    if not lines:
        return
    width = max(4, min(WIDTH, page.width - _INDENT - 1))
    page.add_text("")
    names = _ends_of(report)
    if names:
        room = max(width, min(page.width - _INDENT, 2 * _NAME + 2))
        header = end_names(names, width, room, page.unicode)
        page.add_line(Text(" " * _INDENT + header, STYLES["dim"]))
    for line in lines:
        _add_line(page, line, width)


def end_names(names: tuple[str, str], width: int, room: int, unicode: bool) -> str:
    """The first name at the left, the last at the right of `width` or, where long, beyond it."""
    first, last = (shortened(printable(name), (room - 2) // 2, unicode) for name in names)
    return first + " " * max(2, width - cell_len(first) - cell_len(last)) + last


def _add_line(page: Page, line: CurveLine, width: int) -> None:
    drawn = strip(line.heights, width, page.unicode)
    text = Text(f"  {line.label:<9}").append(drawn, STYLES["info"])
    note = f"{symbol(line.tone, page.unicode)} {line.note}" if line.note else ""
    beside = f"  {line.ends:<{_RANGE}}"
    if text.cell_len + cell_len(beside) + 1 + cell_len(note) <= page.width:
        text.append(beside).append(f" {note}", STYLES.get(line.tone, ""))
        page.add_line(text)
        return
    page.add_line(text)
    page.add_text(line.ends, indent=_INDENT, hanging=2)
    if note:
        page.add_text(note, line.tone, indent=_INDENT, hanging=2)


def _ends_of(report: Report) -> tuple[str, str] | None:
    profile = depth_profile(report.record)
    return (profile.names[0], profile.names[-1]) if len(profile.names) > 1 else None


def _lines(report: Report, lead: Verdict | None) -> Iterator[CurveLine]:
    record, profile = report.record, depth_profile(report.record)
    if not len(record.steps):
        return
    name = lead.name if lead is not None else ""
    if name == "vanishing_through_time" and lead is not None:
        yield from _time_line(record, lead)
    if name == "dead_units" and lead is not None:
        yield from _dead_line(record, lead)
    if len(profile.names) > 1:
        yield _gradient_line(report, profile)
        if lead is not None and name in _OF_LAYERS:
            yield from _layer_line(record, profile, lead)
        elif name not in ("dead_units", "vanishing_through_time"):
            yield _signal_line(report, profile)
    yield from _loss_line(report)


def _verdicts(report: Report, *names: str) -> list[Verdict]:
    return [verdict for verdict in report.diagnosis.verdicts if verdict.name in names]


def _heights(values: Sequence[float]) -> tuple[float, ...]:
    """Positions on a log axis that holds all values."""
    return log_heights(values, LogScale.covering(values))


def _ends(values: Sequence[float]) -> str:
    first, last = (number(float(f"{values[i]:.2g}")) for i in (0, -1))
    return first if first == last else f"{first} to {last}"


def _gradient_line(report: Report, profile: DepthProfile) -> CurveLine:
    values = _typical(profile.gradient_relative, report.record.steps)
    if _nothing_came_back(profile.delta, report.record.steps):
        values = [0.0] * len(values)
    tone, note = _judged(report, len(values), "vanishing_gradient", "exploding_gradient")
    if all(value == 0 for value in values):
        tone, note = ("error", "none at all") if tone != "skipped" else (tone, note)
    if not np.isfinite(values).any():
        tone, note = "error", "no finite figure"
    return CurveLine("gradient", _heights(values), _ends(values), tone, note)


def _signal_line(report: Report, profile: DepthProfile) -> CurveLine:
    values = _typical(profile.signal, report.record.steps)
    tone, note = _judged(report, len(values), "vanishing_signal", "exploding_signal")
    if tone == "healthy" and _in_band(report):
        drawn = report.prediction is not None and report.prediction.source is Source.DRAWS
        note = "in the band of the draws at the start" if drawn else "in theory's band at the start"
    return CurveLine("signal", _heights(values), _ends(values), tone, note)


def _nothing_came_back(delta: Floats, steps: Integers) -> bool:
    """Whether delta is zero in every layer over the last quarter: it has no ratios then."""
    late = delta[window.last_quarter(steps)]
    return bool(np.isfinite(late).any()) and not np.nan_to_num(late).any()


def _typical(values: Floats, steps: Integers) -> list[float]:
    """Those of the last quarter; of a run that broke off, of the last step that has them all."""
    typical = window.typical(values, steps)
    whole = np.flatnonzero(np.isfinite(values).all(axis=1))
    if not np.isfinite(typical).all() and whole.size:
        typical = values[whole[-1]]
    return [float(value) for value in typical]


def _judged(report: Report, layers: int, *names: str) -> tuple[str, str]:
    """The mark and the note of a quantity by the two detectors that judge it."""
    verdicts = _verdicts(report, *names)
    for verdict in verdicts:
        if verdict.status is VerdictStatus.FINDING:
            return verdict.findings[0].severity, _beyond(verdict, layers)
    if verdicts and all(verdict.status is VerdictStatus.HEALTHY for verdict in verdicts):
        return "healthy", _DOMAIN
    return "skipped", "not judged"


def _beyond(verdict: Verdict, layers: int) -> str:
    finding = verdict.findings[0]
    limit = finding.threshold
    side = f"below 1/{1 / limit:.0f}" if limit < 1 else f"above {limit:.0f}"
    early = " at the start" if finding.severity == "warning" else ""
    return f"{len(finding.layers)} of {layers} layers {side}{early}"


def _in_band(report: Report) -> bool:
    if report.prediction is None or report.prediction.outside:
        return False
    signal = [s for s in standings(report.record, report.prediction) if s.quantity == "signal"]
    return bool(signal) and not signal[0].outside


def _dead_line(record: RunRecord, lead: Verdict) -> Iterator[CurveLine]:
    hidden = list(record.indices(Role.HIDDEN))
    dead = record.series["dead_fraction"][:, hidden]
    shown = dead[~np.all(np.isnan(dead), axis=1)]
    if not len(shown):
        return
    shares = [float(share) for share in shown[-1]]
    # Only a layer that is dead as a whole fills its cell.
    heights = tuple(share if share >= 1.0 else min(share, 0.9) for share in shares)
    finite = [share for share in shares if math.isfinite(share)]
    finding: Finding = min(lead.findings, key=lambda f: f.severity.rank)
    many = f"{len(finding.layers)} of {len(hidden)} layers"
    names = [record.layers[i].name for i in hidden]
    least = min((shares[names.index(name)] for name in finding.layers), default=0.0)
    if least < finding.threshold:  # that of the worst layer
        note = f"{many} at {least:.0%} or more"
    elif finding.threshold < _WHOLE:
        note = f"{many} above {finding.threshold:.0%}"
    else:
        note = f"{many} whole (step {finding.since_step})"
    yield CurveLine(
        "dead", heights, f"{min(finite):.0%} to {max(finite):.0%}", finding.severity, note
    )


_OF_LAYERS = {
    "unstable_updates": ("updates", "update_ratio"),
    "frozen_layers": ("updates", "update_ratio"),
    "saturated_units": ("slope", "derivative_gain"),
}
"""Detectors whose figure is one per layer: the label of its line, and its statistic."""


def _layer_line(record: RunRecord, profile: DepthProfile, lead: Verdict) -> Iterator[CurveLine]:
    """The figure that the finding is about, of the steps for which it holds."""
    label, statistic = _OF_LAYERS[lead.name]
    finding: Finding = min(lead.findings, key=lambda f: f.severity.rank)
    values = record.series[statistic][:, list(profile.indices)]
    holds = (record.steps >= finding.since_step) & (record.steps <= finding.until_step)
    shown = values[holds & np.isfinite(values).all(axis=1)]
    if not len(shown):
        return
    row = [float(value) for value in np.median(shown, axis=0)]
    share = label == "slope"
    heights = tuple(row) if share else _heights(row)
    side = "above" if finding.observed > finding.threshold else "below"
    named = [name for name in profile.names if name in finding.layers]
    note = f"{len(named)} of {len(row)} layers {side} {number(float(f'{finding.threshold:.2g}'))}"
    yield CurveLine(label, heights, _ends(row), finding.severity, note)


def _time_line(record: RunRecord, lead: Verdict) -> Iterator[CurveLine]:
    named = lead.findings[0].layers
    for profile in through_time.time_profiles(record):
        if profile.layer.name in named[:1]:
            values = [float(value) for value in profile.typical]
            note = f"over {len(values)} time steps"
            severity = lead.findings[0].severity
            yield CurveLine(
                "in time",
                _heights(values),
                _ends(values),
                severity,
                note,
            )


def _loss_line(report: Report) -> Iterator[CurveLine]:
    """The loss over the steps beside a constant answer's."""
    record = report.record
    trained = record.steps > 0
    loss = [float(value) for value in record.scalars["loss"][trained]]
    if not loss:
        return
    curve = loss_curve.training_curve(record)
    finite = curve.loss
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    spread = high - low if high > low else 1.0
    over_time = [loss[row] for row in _even_rows(record.steps[trained])]
    heights = tuple((v - low) / spread if math.isfinite(v) else math.nan for v in over_time)
    last = number(curve.last) if math.isfinite(loss[-1]) else "NaN"
    first = number(loss[0], "NaN")
    ends = first if first == last else f"{first} to {last}"
    tone, note = _learning(report)
    yield CurveLine("loss", heights, ends, tone, note)


def _even_rows(steps: Integers) -> list[int]:
    """As many rows as there are, at even distances in time: the nearest recorded step each."""
    between = (steps[1:] + steps[:-1]) / 2
    rows = np.searchsorted(between, np.linspace(steps[0], steps[-1], len(steps)))
    return [int(row) for row in rows]


def _learning(report: Report) -> tuple[str, str]:
    constant = constant_loss(report)
    known = f"chance is {constant:.3g}" if math.isfinite(constant) else ""
    for verdict in _verdicts(report, "non_finite", "diverging_loss", "not_learning"):
        if verdict.status is VerdictStatus.FINDING:
            return verdict.findings[0].severity, known or verdict.name.replace("_", " ")
    if misfit(report):
        return "skipped", "the output does not fit"
    learning = _verdicts(report, "not_learning")
    if learning and learning[0].status is VerdictStatus.HEALTHY:
        above = loss_curve.training_curve(report.record).last > constant
        if above and loss_curve.above_chance(report.record):
            return "healthy", "accuracy above chance"
        return ("skipped" if above else "healthy"), known or "it falls"
    return "skipped", known or "not judged"
