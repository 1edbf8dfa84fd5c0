"""The answer in about 16 lines: state, what, why, the proof over depth, what to do."""

from __future__ import annotations

import math

from rich.cells import cell_len
from rich.text import Text

from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import DETECTORS
from gradscope.message_text import counted
from gradscope.record import DiagnosisState, Finding, Severity, Verdict, VerdictStatus
from gradscope.reporters.layout.lines import STYLES, Page, symbol, wrapped
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import as_ascii, printable, printable_lines
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.terminal.advice import advice_of
from gradscope.reporters.run.terminal.curve_lines import add_curves
from gradscope.reporters.run.terminal.flow_text import flow_reason, flow_sentence

NARROW = 60
"""Columns of a terminal below which commands are not indented to the text above them."""

LABEL = 9
"""Columns of a label such as `Why`, after an indent of two."""


def add_state(page: Page, report: Report) -> None:
    """One line: the state and the name at the left, steps, seconds and accuracy at the right."""
    state = report.diagnosis.verdict
    name = printable(report.record.name)
    name = name if page.unicode else as_ascii(name)
    left = f"{symbol(state, page.unicode)} {state.upper()}  {name}"
    right = _conditions(report)
    space = page.width - cell_len(left) - cell_len(right)
    if space >= 2:
        line = Text(left, STYLES[state]).append(" " * space).append(right, STYLES["dim"])
        page.add_line(line)
        return
    page.add_text(left, state, hanging=2)
    page.add_text(right, "dim", indent=2)


def add_answer(page: Page, report: Report, options: ReportOptions) -> None:
    """Everything between the state and the count of checks."""
    add_state(page, report)
    page.add_text("")
    lead = _lead(report)
    page.add_text(printable_lines(_what(report, lead)), "title", indent=2)
    why = lead.cause if lead is not None else flow_reason(report)
    if why:
        add_labelled(page, "Why", printable(why.removesuffix(".")))
    add_curves(page, report, _lead_verdict(report))
    page.add_text("")
    _add_names(page, "Follows from it", _following(report))
    _add_names(page, "Beside it", _others(report))
    advice = advice_of(report, options)
    if advice is not None:
        add_labelled(page, "Try", printable(advice.text))
        for command in advice.commands:
            _add_command(page, command)
    add_labelled(page, "More", _more(report, options, page.width - 2 - LABEL))
    for fault in report.faults:
        page.add_text(printable(f"{fault.computation}: {fault.crashed}"), "crashed", indent=2)
    _add_count(page, report)


def add_labelled(page: Page, label: str, text: str) -> None:
    """A label, and the text beside it, its later lines under the first."""
    text = text if page.unicode else as_ascii(text)
    for line in wrapped(text, max(1, page.width - 2 - LABEL)):
        page.add_line(Text(f"  {label:<{LABEL}}{line}"))
        label = ""


def _add_names(page: Page, label: str, verdicts: list[Verdict]) -> None:
    """The names of other findings, in one line: those that it has no room for are counted."""
    if not verdicts:
        return
    names = [_short_name(verdict) for verdict in verdicts]
    shown = len(names)
    while shown > 1 and cell_len(_listed(label, names, shown)) > page.width - 2:
        shown -= 1
    page.add_text(_listed(label, names, shown), indent=2, hanging=2)


def _listed(label: str, names: list[str], shown: int) -> str:
    rest = f" and {len(names) - shown} more" if shown < len(names) else ""
    return f"{label}: {', '.join(names[:shown])}{rest}"


def _short_name(verdict: Verdict) -> str:
    """`collapsed_representation` as `collapsed GS205`."""
    words = printable(verdict.name).split("_")
    if len(words) > 1 and words[-1] in _GENERAL:
        words = words[:-1]
    return f"{' '.join(words)} {printable(verdict.code)}"


_GENERAL = frozenset(["representation", "layers", "units"])
"""Nouns that a name can do without where there is little room."""


def _add_command(page: Page, command: tuple[str, ...]) -> None:
    """A command that pastes as it stands: broken between arguments, with a backslash."""
    indent = LABEL + 4 if page.width >= NARROW else 2
    line = ""
    shown = [printable(part) for part in command]
    for part in shown if page.unicode else map(as_ascii, shown):
        extended = f"{line} {part}" if line else part
        if line and indent + cell_len(extended) + 2 > page.width:
            page.add_line(Text(f"{' ' * indent}{line} \\", STYLES["info"]))
            extended = f"  {part}"
        line = extended
    page.add_line(Text(f"{' ' * indent}{line}", STYLES["info"]))


def _conditions(report: Report) -> str:
    """Steps, seconds, and accuracy beside that of the commonest class."""
    record = report.record
    done, requested = record.outcome.steps_done, record.outcome.steps_requested
    steps = (
        f"{done} of {counted(requested, 'step')}" if done != requested else counted(done, "step")
    )
    parts = [steps, f"{number(float(f'{record.seconds:.2g}'))} s"]
    accuracy = record.evaluation.get("test_accuracy", math.nan)
    if not math.isfinite(accuracy):
        accuracy = loss_curve.late_accuracy(record) if len(record.steps) else math.nan
    if math.isfinite(accuracy):
        parts.append(f"accuracy {accuracy:.0%}")
        shares = loss_curve.class_shares(record)
        if shares:
            chance = max(shares)
            same = f"{accuracy:.0%}" == f"{chance:.0%}"
            parts.append("chance" if same else f"chance {chance:.0%}")
    return ", ".join(parts)


def _lead_verdict(report: Report) -> Verdict | None:
    """The verdict that the state rests on; None where it rests on no finding."""
    wanted = {
        DiagnosisState.UNHEALTHY: Severity.ERROR,
        DiagnosisState.WARNING: Severity.WARNING,
    }.get(report.diagnosis.verdict)
    if wanted is None:
        return None
    return next(iter(report.diagnosis.with_severity(wanted)), None)


def _lead(report: Report) -> Finding | None:
    verdict = _lead_verdict(report)
    if verdict is None:
        return None
    return min(verdict.findings, key=lambda f: (f.severity.rank, f.since_step))


def _what(report: Report, lead: Finding | None) -> str:
    if lead is not None:
        return lead.message
    if report.diagnosis.verdict is DiagnosisState.HEALTHY:
        return flow_sentence(report)
    return report.diagnosis.headline


def _roots(report: Report) -> list[Verdict]:
    """Verdicts with an error or a warning that follows from no other."""
    return [
        verdict
        for verdict in report.diagnosis.verdicts
        if verdict.status is VerdictStatus.FINDING
        and any(not f.caused_by and f.severity is not Severity.INFO for f in verdict.findings)
    ]


def _following(report: Report) -> list[Verdict]:
    """Verdicts that follow from another one; what only gives the reason is the `Why` of it."""
    return [
        verdict
        for verdict in report.diagnosis.verdicts
        if verdict.status is VerdictStatus.FINDING
        and all(f.caused_by for f in verdict.findings)
        and not _explains(verdict)
    ]


def _explains(verdict: Verdict) -> bool:
    return verdict.name in DETECTORS and DETECTORS[verdict.name].explains


def _others(report: Report) -> list[Verdict]:
    lead = _lead_verdict(report)
    return [verdict for verdict in _roots(report) if verdict is not lead]


def _more(report: Report, options: ReportOptions, width: int) -> str:
    """Where the rest is: the page whole, then what there is room for beside it."""
    lead = _lead_verdict(report)
    explain = [f"gradscope explain {printable(lead.code)}"] if lead is not None else []
    first, *rest = [*(printable(path) for path in options.files[:1]), *explain, "--layers"]
    for part in (*rest, "--checks"):
        extended = f"{first}   {part}"
        first = extended if cell_len(extended) <= width else first
    return first


def _add_count(page: Page, report: Report) -> None:
    """The last line: how many checks said what."""
    verdicts = report.diagnosis.verdicts
    state = report.diagnosis.verdict
    if not verdicts:
        page.add_text(f"{symbol(state, page.unicode)} no check has judged this run", state)
        return
    by_status = {status: sum(v.status is status for v in verdicts) for status in VerdictStatus}
    roots = _roots(report)
    errors = [v for v in roots if any(f.severity is Severity.ERROR for f in v.findings)]
    found = []
    if errors:
        codes = ", ".join(v.code for v in errors)
        found.append(f"{counted(len(errors), 'cause')} ({printable(codes)})")
    if following := _following(report):
        found.append(counted(len(following), "consequence"))
    if warnings := [v for v in roots if v not in errors]:
        found.append(counted(len(warnings), "warning"))
    rest = [f"{counted(by_status[VerdictStatus.HEALTHY], 'check')} passed"]
    for status, words in (
        (VerdictStatus.SKIPPED, "not judged"),
        (VerdictStatus.IGNORED, "ignored"),
        (VerdictStatus.CRASHED, "crashed"),
    ):
        if by_status[status]:
            rest.append(f"{by_status[status]} {words}")
    text = "; ".join(filter(None, [", ".join(found), ", ".join(rest)]))
    page.add_text(f"{symbol(state, page.unicode)} {text}", state, hanging=2)
