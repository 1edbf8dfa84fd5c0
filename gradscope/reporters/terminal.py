"""The report in a terminal: what is wrong and what to do first, the figures after it."""

from __future__ import annotations

from collections.abc import Sequence

from rich.text import Text

from gradscope.reporters import REPORTERS, summary
from gradscope.reporters.glyphs import sparkline
from gradscope.reporters.layer_table import layer_table
from gradscope.reporters.lines import STYLES, Page, symbol
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.sanitizing import printable, printable_lines
from gradscope.reporters.terminal_table import add_table

_LONGEST_SPARKLINE = 72
_HEALTHY = "healthy"


@REPORTERS.register("text")
def text(report: Report, options: ReportOptions) -> str:
    """The terminal's report, in the width and the characters of `options`."""
    return render(
        report,
        width=options.width,
        color=options.color,
        unicode=options.unicode,
        files=options.files,
    )


def render(
    report: Report, *, width: int, color: bool, unicode: bool, files: Sequence[str] = ()
) -> str:
    """The whole page as one string; `width` in columns, `files` the paths to name at the end."""
    page = Page(width=width, color=color, unicode=unicode)
    _add_answer(page, report)
    add_table(page, layer_table(report))
    _add_verdicts(page, report)
    _add_course(page, report)
    if files:
        page.title("Files")
        for path in files:
            page.add(printable(path), indent=2, hanging=2)
    return page.render()


def _add_answer(page: Page, report: Report) -> None:
    diagnosis = report.diagnosis
    sign = symbol(diagnosis.verdict, page.unicode)
    name = printable(report.record.name)
    page.add(f"{sign} {diagnosis.verdict.upper()}: {name}", diagnosis.verdict, hanging=2)
    limits = summary.warning(report)
    if limits:
        page.add(limits, "warning", indent=2)
    page.add(printable_lines(diagnosis.headline), "title", indent=2)
    if diagnosis.remedy:
        page.add(f"Try: {printable_lines(diagnosis.remedy)}", indent=2, hanging=5)
    page.add(summary.evidence(report.record), "dim", indent=2)
    page.add(summary.theory(report), "dim", indent=2)


def _add_verdicts(page: Page, report: Report) -> None:
    page.title("Verdicts")
    if not report.diagnosis.verdicts:
        page.add("no detector has judged this run", "warning", indent=2)
    lines = list(summary.verdict_lines(report))
    for line in lines:
        if line.status == _HEALTHY:
            continue
        sign = symbol(line.tone, page.unicode)
        words = f"{sign} {line.code} {line.name}: {line.status}"
        if line.reason:
            words += f" ({line.reason})"
        page.add(words, line.tone, hanging=2)
        if line.message:
            page.add(line.message, indent=4)
        for fact in line.facts:
            page.add(f"{fact.label}: {fact.text}", indent=4, hanging=2)
    healthy = [f"{line.code} {line.name}" for line in lines if line.status == _HEALTHY]
    if healthy:
        sign = symbol(_HEALTHY, page.unicode)
        page.add(f"{sign} {len(healthy)} {_HEALTHY}: {', '.join(healthy)}", _HEALTHY, hanging=2)


def _add_course(page: Page, report: Report) -> None:
    record = report.record
    page.title("Loss")
    loss = [float(value) for value in record.scalars["loss"]]
    curve = sparkline(loss, min(_LONGEST_SPARKLINE, page.width - 2), page.unicode)
    page.line(Text(f"  {curve}", STYLES["info"]))
    page.add(summary.loss_course(record), indent=2)
    page.add(f"test set: {summary.evaluation(record)}", indent=2)
