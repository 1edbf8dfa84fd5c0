"""The first screen of a check: failed, passed or inconclusive; what differs, where, what to do."""

from __future__ import annotations

import math
from dataclasses import replace

from gradscope.gate.check import (
    Check,
    Checked,
    CheckKind,
    DepthCurve,
    DepthCurves,
    Difference,
    Status,
)
from gradscope.message_text import counted
from gradscope.record import Finding
from gradscope.reporters import check_text
from gradscope.reporters.layout.numbers import number, short
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.answer.advice import advice_about
from gradscope.reporters.run.answer.headings import heading_of
from gradscope.reporters.run.page import run_screen
from gradscope.reporters.run.page.moments import moments
from gradscope.reporters.run.page.plot_parts import layer_ticks, over_layers
from gradscope.reporters.run.page.run_plots import run_plots
from gradscope.reporters.run.page.screen import (
    Answer,
    Cell,
    Curve,
    Plot,
    Role,
    RowPlot,
    Screen,
    Strip,
    Tone,
)

_TONES = {"passed": Tone.HEALTHY, "failed": Tone.UNHEALTHY}
_EMPTY_DECADES = 3.0
"""A layer this many decades away from its baseline is an empty cell of the strip."""

_CHANGED = {
    "signal": "The signal changed",
    "delta": "The gradient changed",
    "kernel_gradient": "The kernels' gradient changed",
    "update": "The updates changed",
    "derivative_gain": "The activations' slope changed",
    "dead_fraction": "Dead units changed",
    "weight": "The weights changed",
    "batch_norm_gap": "Batch norm's statistics changed",
    "learning": "It learns otherwise",
    "accuracy": "The accuracy changed",
}
"""By the name of a gate's figure."""

_TABS = {"delta": ("Gradient", "rms of delta over the output's"), "signal": ("Signal", "rms of z")}


def check_screen(checked: Checked, report: Report, options: ReportOptions) -> Screen:
    """State, three answers and figures of a checked config; `report` is that of its own seed."""
    lead = check_text.leading_check(checked)
    tone = _TONES.get(checked.outcome, Tone.INCONCLUSIVE)
    return Screen(
        tone=tone,
        word=checked.outcome.capitalize(),
        name=printable(checked.name),
        facts=_facts(checked),
        answers=(
            _what(checked, lead, report),
            _where(checked, lead, report),
            _do(checked, lead, report, options),
        ),
        plots=_plots(checked, lead, report),
        moments=moments(report),
    )


def _facts(checked: Checked) -> str:
    """How many checks failed, and of how many."""
    count = counted(len(checked.checks), "check")
    for status in (Status.FAILED, Status.INCONCLUSIVE):
        some = sum(check.status is status for check in checked.checks)
        if some:
            return f"{some} of {count} {status}"
    return count


def _what(checked: Checked, lead: Check | None, report: Report) -> Answer:
    """The worst difference as a number; the finding of a detector; or the check's sentence."""
    if lead is None:
        heading = "As in the baseline" if checked.baseline else "As theory says"
        if checked.outcome != "passed":
            heading = "Nothing was checked"
        return Answer("What", heading, printable_lines(checked.headline))
    worst = check_text.worst_difference(lead)
    if worst is not None:
        heading = _CHANGED.get(worst.quantity, f"{printable(worst.label)} changed")
        return Answer(
            "What", heading, _figures_text(worst, lead), printable(check_text.change_text(worst))
        )
    finding = _finding(lead, report)
    if finding is not None:
        words, figure = heading_of(lead.subject, finding)
        return Answer("What", words, printable(finding.message.removeprefix(f"{words}: ")), figure)
    if lead.status is Status.INCONCLUSIVE:
        return Answer("What", "The check cannot tell", _sentence(lead))
    if lead.kind is CheckKind.BUDGET:
        return Answer("What", f"{printable(lead.name)} is not met", _sentence(lead))
    return Answer("What", f"The {printable(lead.name)} check failed", _sentence(lead))


def _sentence(check: Check) -> str:
    return printable_lines(check_text.answer(check))


def _figures_text(difference: Difference, check: Check) -> str:
    """A figure on both sides, in words."""
    reference = "in theory" if check.kind is CheckKind.THEORY else "in the baseline"
    where = f" in {printable(difference.layer)}" if difference.layer else ""
    return (
        f"{check_text.quantity_label(difference)}{where}: {number(difference.before)} "
        f"{reference}, {number(difference.after)} now"
    )


def _finding(check: Check, report: Report) -> Finding | None:
    """The finding of the config's own seed that a detector's check is about."""
    for verdict in report.diagnosis.verdicts:
        if verdict.code == check.code and verdict.findings:
            return verdict.findings[0]
    return None


def _where(checked: Checked, lead: Check | None, report: Report) -> Answer:
    """The first layer that differs, and the layers as a strip: full where they are as before."""
    layers = lead.layers if lead is not None else ()
    curves = check_text.curves_of(checked, lead)
    strip = _strip(curves[0], layers) if curves else run_screen.layer_strip(report, layers)
    if not layers:
        return Answer("Where", "The whole network", _key(curves), strip=strip)
    heading = run_screen.range_text(layers)
    if lead is not None and lead.differences and len(layers) > 1:
        heading = f"{printable(layers[0])} first"
    total = len(strip.cells) if strip is not None else len(layers)
    many = f"{len(layers)} of {counted(max(total, len(layers)), 'layer')}"
    caption = ". ".join(filter(None, [many, _key(curves)]))
    return Answer("Where", heading, caption, strip=strip)


def _key(curves: tuple[DepthCurves, ...]) -> str:
    return "Full colour: the gradient is as in the baseline" if curves else ""


def _strip(curves: DepthCurves, layers: tuple[str, ...]) -> Strip:
    cells, ratios = [], []
    sides = zip(curves.layers, curves.before.typical, curves.after.typical, strict=True)
    for name, before, after in sides:
        ratio = after / before if before > 0 else math.nan
        ratios.append(ratio)
        share = math.nan
        if math.isfinite(ratio):
            away = abs(math.log10(ratio)) if ratio > 0 else math.inf
            share = max(0.0, 1.0 - away / _EMPTY_DECADES)
        text = f"{printable(name)}: {number(before)} in the baseline, {number(after)} now"
        cells.append(Cell(printable(name), share, name in layers, text))
    ends = (f"x{short(ratio)}" for ratio in (ratios[0], ratios[-1]))
    return Strip(tuple(cells), (next(ends), next(ends)))


def _do(checked: Checked, lead: Check | None, report: Report, options: ReportOptions) -> Answer:
    """Undo what changed, or accept it; for a detector's error its remedy."""
    if lead is None:
        return Answer("Try", "Nothing to act on")
    update = check_text.update_of(lead)
    text = check_text.check_remedy(lead, checked)
    if update is not None:
        command = run_screen.command_lines(check_text.update_command(update, checked))
        words, caption = _update(checked, lead)
        return Answer("Try", words, caption, commands=(command,))
    advice = advice_about(lead.remedies, report, options)
    if advice is not None:
        return run_screen.advice_answer(advice)
    if text:
        return Answer("Try", printable(text))
    return replace(run_screen.do_answer(report, options), label="Try")


def _update(checked: Checked, lead: Check) -> tuple[str, str]:
    """What to do before the baseline is measured anew, and what was changed."""
    if lead.status is not Status.FAILED:
        return "Measure the baseline anew", _sentence(lead)
    if not checked.changes:
        known = "Neither config nor environment changed: look at the code and the data."
        return "Find the change", f"{known} The command accepts it."
    more = f" and {len(checked.changes) - 1} more" if len(checked.changes) > 1 else ""
    change = f"{printable(checked.changes[0])}{more}"
    return "Undo the change", f"Changed: {change}. The command accepts it."


def _plots(checked: Checked, lead: Check | None, report: Report) -> tuple[Plot | RowPlot, ...]:
    """The baseline's curves behind those of now, then what only this run has."""
    compared = tuple(_plot(curves, lead) for curves in check_text.curves_of(checked, lead))
    own = run_plots(report) if len(report.record.steps) else ()
    tabs = {plot.tab for plot in compared}
    return (*compared, *(plot for plot in own if plot.tab not in tabs))


def _plot(curves: DepthCurves, lead: Check | None) -> Plot:
    tab, figure = _TABS[curves.quantity]
    named = lead.layers if lead is not None else ()
    differ = {
        item.layer
        for item in (lead.differences if lead is not None else ())
        if item.quantity == curves.quantity
    }
    bad = differ or set(named)
    moment = "in the second half of training" if curves.trained else "at initialisation"
    title = f"{tab} over depth, now and in the baseline"
    return Plot(
        tab,
        title,
        f"{figure[:1].upper()}{figure[1:]}, {moment}; bands: smallest and largest of the seeds",
        over_layers(curves.layers),
        tuple(map(printable, curves.layers)),
        layer_ticks(curves.layers),
        (
            _curve(curves.before, Role.BASELINE, "baseline"),
            _curve(curves.after, Role.MEASURED, "now"),
        ),
        (),
        frozenset(i for i, name in enumerate(curves.layers) if name in bad),
    )


def _curve(curve: DepthCurve, role: Role, label: str) -> Curve:
    many = counted(curve.seeds, "seed")
    return Curve(role, f"{label}, {many}", curve.typical, curve.low, curve.high)
