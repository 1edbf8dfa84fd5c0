"""The first screen of a run: what the network's state rests on, where, and what to do."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from gradscope.analyzer.conclusion import slow_updates
from gradscope.analyzer.curves import through_time
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.message_text import counted
from gradscope.record import DiagnosisState, Finding, RunRecord
from gradscope.record import Role as LayerRole
from gradscope.record.run_record import Floats
from gradscope.reporters.layout.character_plots import LogScale
from gradscope.reporters.layout.numbers import number, short
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.answer.advice import Advice, advice_of
from gradscope.reporters.run.answer.flow_text import flow_rate, flow_words
from gradscope.reporters.run.answer.headings import heading_of
from gradscope.reporters.run.page.moments import moments
from gradscope.reporters.run.page.plot_parts import typical_row
from gradscope.reporters.run.page.run_plots import run_plots
from gradscope.reporters.run.page.screen import (
    TIMES,
    Answer,
    Cell,
    Plot,
    RowPlot,
    Screen,
    Strip,
    Tone,
)

_SHARES = {"dead_units": "dead_fraction", "saturated_units": "derivative_gain"}
_COMMAND_COLUMNS = 40
"""Columns of a command on a telephone."""

_SIGNAL = frozenset(("vanishing_signal", "exploding_signal"))
_GRADIENT = frozenset(
    ("vanishing_gradient", "exploding_gradient", "batch_norm_explosion", "cut_gradient", "")
)
"""Detectors of what the strip shows; a healthy network shows its gradient."""


def run_screen(report: Report, options: ReportOptions) -> Screen:
    """State, three answers and figures of a run."""
    record = report.record
    state = report.diagnosis.verdict
    plots = run_plots(report) if len(record.steps) else ()
    facts = ", ".join(filter(None, [lead.steps_text(record), lead.accuracy_text(record)]))
    return Screen(
        tone=Tone(state),
        word=state.capitalize(),
        name=printable(record.name),
        facts=facts,
        answers=(
            _with_reason(what_answer(report), report, plots),
            where_answer(report),
            do_answer(report, options),
        ),
        plots=plots,
        moments=moments(report),
    )


def what_answer(report: Report) -> Answer:
    """The finding in three words, its number, and its sentence."""
    finding = lead.lead_finding(report)
    if finding is not None:
        words, figure = heading_of(lead.lead_name(report), finding)
        # The sentence stands below its own first words.
        sentence = printable(finding.message.removeprefix(f"{words}: "))
        return Answer("What", words, sentence, number=figure)
    if report.diagnosis.verdict is DiagnosisState.HEALTHY:
        rate = flow_rate(report)
        figure = f"x{short(rate)}" if math.isfinite(rate) else ""
        caption = "per layer going back; x1 keeps the size"
        return Answer("What", flow_words(report), caption if figure else _sentence(report), figure)
    slow = slow_updates(report.diagnosis)
    words = "The updates are too small" if slow else "Too little is known"
    return Answer("What", words, _sentence(report))


def _with_reason(what: Answer, report: Report, plots: Sequence[Plot | RowPlot]) -> Answer:
    """The answer with the reason, where it is not the title of a figure."""
    reason = lead.why(report)
    if lead.lead_finding(report) is None or not reason or reason in [plot.title for plot in plots]:
        return what
    return replace(what, caption=f"{what.caption} {reason}.")


def _sentence(report: Report) -> str:
    return printable(lead.what(report))


def where_answer(report: Report) -> Answer:
    """The layers of the finding, and all layers as a strip."""
    record, finding = report.record, lead.lead_finding(report)
    names = list(finding.layers) if finding is not None else []
    shown = bool(names) or (finding is None and not slow_updates(report.diagnosis))
    strip = layer_strip(report, names) if shown else None
    if finding is None or not names:
        heading = "The whole network"
        if strip is not None and finding is None:
            heading = f"{strip.cells[0].name} to {strip.cells[-1].name}"
        return Answer("Where", heading, _when(finding, record), strip=strip)
    framed = strip is not None and sum(cell.bad for cell in strip.cells) == len(names)
    total = len(strip.cells) if strip is not None and framed else 0
    caption = f"{len(names)} of {counted(total, 'layer')}" if total > 1 else ""
    if strip is not None and lead.lead_name(report) == "vanishing_through_time":
        caption = f"{counted(len(strip.cells), 'time step')}, the first at the left"
    return Answer(
        "Where",
        range_text(names),
        ", ".join(filter(None, [caption, _when(finding, record)])),
        strip=strip,
    )


def range_text(names: Sequence[str]) -> str:
    """One name, two, or both ends of more."""
    shown = [printable(name) for name in names]
    if len(shown) == 2:
        return " and ".join(shown)
    return f"{shown[0]} to {shown[-1]}" if len(shown) > 1 else shown[0]


def _when(finding: Finding | None, record: RunRecord) -> str:
    """The steps of the finding; "" where there is none."""
    if finding is None or not len(record.steps):
        return ""
    first, last = finding.since_step, finding.until_step
    if last < int(record.steps[-1]):
        return f"steps {first} to {last}" if last > first else f"at step {first}"
    return "since initialisation" if first == 0 else f"since step {first}"


def layer_strip(report: Report, named: Sequence[str]) -> Strip | None:
    """A cell per layer: how much of the quantity that the finding is about gets through.

    None where the layers have no figure, as in a run without a recorded step.
    """
    record, name = report.record, lead.lead_name(report)
    if not len(record.steps):
        return None
    if name in _SHARES:
        return _share_strip(record, _SHARES[name], named)
    finding = lead.lead_finding(report)
    if name == "vanishing_through_time" and finding is not None:
        return _time_strip(record, finding)
    profile = depth_profile(record)
    names = list(profile.names)
    shown = profile.signal if name in _SIGNAL else profile.gradient_relative
    values = typical_row(report, finding, shown)
    known = len(names) > 1 and set(named) <= set(names) and np.isfinite(values).any()
    if not known or name not in _SIGNAL | _GRADIENT:
        return _plain_strip(record, named)
    bad = [layer in named for layer in names]
    return _log_strip(names, values, bad, "signal" if name in _SIGNAL else "gradient")


def _log_strip(names: Sequence[str], values: Floats, bad: Sequence[bool], words: str) -> Strip:
    """Cells on one log scale, the largest value in full colour."""
    scale = LogScale.covering([float(value) for value in values])
    unit = TIMES if words == "gradient" else ""
    cells = tuple(
        Cell(
            printable(name),
            scale.fraction(float(value)) if math.isfinite(value) else math.nan,
            framed,
            f"{printable(name)}: {words} {number(value)}{unit}"
            if math.isfinite(value)
            else f"{printable(name)}: {words} {number(value, 'not measured')}",
        )
        for name, value, framed in zip(names, values, bad, strict=True)
    )
    return Strip(cells, (_end(values[0]), _end(values[-1])))


def _time_strip(record: RunRecord, finding: Finding) -> Strip | None:
    """A cell per time step of the layer that the finding is about."""
    for profile in through_time.time_profiles(record):
        if profile.layer.name in finding.layers[:1]:
            values = profile.typical
            names = [f"time step {i}" for i in range(len(values))]
            bad = [bool(value < finding.threshold) for value in values]
            return _log_strip(names, values, bad, "gradient")
    return None


def _end(value: float) -> str:
    return short(float(value)) if math.isfinite(value) else ""


def _share_strip(record: RunRecord, statistic: str, named: Sequence[str]) -> Strip | None:
    columns = [i for i in record.indices(LayerRole.HIDDEN) if record.layers[i].measured]
    values: Floats = record.series[statistic][:, columns]
    shown = values[np.isfinite(values).any(axis=1)] if columns else values
    if not len(shown):
        return None
    dead = statistic == "dead_fraction"
    cells = []
    for column, value in zip(columns, shown[-1], strict=True):
        share, name = float(value), printable(record.layers[column].name)
        text = f"{name}: {share:.0%} {'dead' if dead else 'of the largest slope'}"
        cells.append(
            Cell(name, 1.0 - share if dead else share, record.layers[column].name in named, text)
        )
    return Strip(tuple(cells), (f"{shown[-1][0]:.0%}", f"{shown[-1][-1]:.0%}"))


def _plain_strip(record: RunRecord, named: Sequence[str]) -> Strip | None:
    """The layers that are named among the others of their kind, without a figure."""
    roles = {layer.role for layer in record.layers if layer.name in named}
    shown = [
        layer
        for layer in record.layers
        if layer.measured and (layer.role in roles if roles else layer.weighted)
    ]
    if len(shown) < 2:
        return None
    cells = tuple(
        Cell(printable(layer.name), 0.5, layer.name in named, printable(layer.name))
        for layer in shown
    )
    return Strip(cells, (cells[0].name, cells[-1].name))


def do_answer(report: Report, options: ReportOptions) -> Answer:
    """What to do, as words and commands."""
    advice = advice_of(report, options)
    if advice is not None:
        return advice_answer(advice)
    if report.diagnosis.verdict is DiagnosisState.HEALTHY:
        return Answer("Try", "Nothing to act on")
    if not report.record.outcome.complete and lead.lead_finding(report) is None:
        return Answer("Try", "Run it to the end")
    name = lead.lead_name(report)
    code = next((v.code for v in report.diagnosis.verdicts if v.name == name), "")
    explain = (f"gradscope explain {printable(code)}",) if code else ()
    caption = "Here is what it means and what may help." if code else ""
    return Answer("Try", "No remedy was computed", caption, commands=explain)


def advice_answer(advice: Advice) -> Answer:
    """Advice as an answer: the words lead, the promise and the alternatives stand below."""
    words = printable(advice.words)
    captions = _captions(advice)
    commands = [command_lines(command) for command in advice.commands]
    code = [printable(advice.code)] if advice.code else []
    return Answer("Try", words, " ".join(captions), commands=(*commands, *code))


def _captions(advice: Advice) -> Iterator[str]:
    if advice.promise:
        yield f"{printable(advice.promise)}."
    for alternative in advice.alternatives:
        yield f"Or: {printable(alternative)}."


def command_lines(parts: Sequence[str]) -> str:
    """A command that pastes as it stands, broken between its parts."""
    lines = [""]
    for part in map(printable, parts):
        extended = f"{lines[-1]} {part}".strip()
        if lines[-1] and len(extended) > _COMMAND_COLUMNS:
            lines.append(part)
        else:
            lines[-1] = extended
    return " \\\n  ".join(lines)
