"""The answer in about 16 lines: state, what, why, the proof over depth, what to do."""

from __future__ import annotations

from rich.cells import cell_len
from rich.text import Text

from gradscope.record import Verdict
from gradscope.reporters.layout.lines import STYLES, Page, symbol, wrapped
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import as_ascii, printable, printable_lines
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.answer.advice import advice_of
from gradscope.reporters.run.terminal.curve_lines import add_curves

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
    page.add_text(printable_lines(lead.what(report)), "title", indent=2)
    if reason := lead.why(report):
        add_labelled(page, "Why", reason)
    add_curves(page, report, lead.lead_verdict(report))
    page.add_text("")
    _add_names(page, "Follows from it", lead.following(report))
    _add_names(page, "Beside it", lead.others(report))
    advice = advice_of(report, options)
    if advice is not None:
        add_labelled(page, "Try", printable(advice.text))
        for command in advice.commands:
            page.add_command(command, indent=LABEL + 4 if page.width >= NARROW else 2)
    add_labelled(page, "More", _more(report, options, page.width - 2 - LABEL))
    for fault in report.faults:
        page.add_text(printable(f"{fault.computation}: {fault.crashed}"), "crashed", indent=2)
    state = report.diagnosis.verdict
    page.add_text(f"{symbol(state, page.unicode)} {lead.count_of_checks(report)}", state, hanging=2)


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
    names = [lead.short_name(verdict) for verdict in verdicts]
    shown = len(names)
    while shown > 1 and cell_len(_listed(label, names, shown)) > page.width - 2:
        shown -= 1
    page.add_text(_listed(label, names, shown), indent=2, hanging=2)


def _listed(label: str, names: list[str], shown: int) -> str:
    rest = f" and {len(names) - shown} more" if shown < len(names) else ""
    return f"{label}: {', '.join(names[:shown])}{rest}"


def _conditions(report: Report) -> str:
    """Steps, seconds, and accuracy beside that of the commonest class."""
    record = report.record
    seconds = f"{number(float(f'{record.seconds:.2g}'))} s"
    return ", ".join(filter(None, [lead.steps_text(record), seconds, lead.accuracy_text(record)]))


def _more(report: Report, options: ReportOptions, width: int) -> str:
    """Where the rest is: the page whole, then what there is room for beside it."""
    verdict = lead.lead_verdict(report)
    explain = [f"gradscope explain {printable(verdict.code)}"] if verdict is not None else []
    first, *rest = [*(printable(path) for path in options.files[:1]), *explain, "--layers"]
    for part in (*rest, "--checks"):
        extended = f"{first}   {part}"
        first = extended if cell_len(extended) <= width else first
    return first
