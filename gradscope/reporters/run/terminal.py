"""The report in a terminal: what is wrong and what to do first, the figures after it."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from gradscope.reporters.layout.character_plots import sparkline
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.layout.table import Column, lay_out
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, summary
from gradscope.reporters.run.layer_table import layer_table
from gradscope.reporters.run.terminal_table import add_layers
from gradscope.reporters.run.time_table import TITLE, TimeTable, time_table

_LONGEST_SPARKLINE = 72
_HEALTHY = "healthy"
_LONGEST_NAME = 24
_SHORTEST_STRIP, _LONGEST_STRIP = 20, 60


@REPORTERS.register("text")
def text(report: Report, options: ReportOptions) -> str:
    """Render the page in the width and the characters of `options`, the files at its end."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    _add_answer(page, report)
    add_layers(page, layer_table(report))
    _add_times(page, time_table(report))
    _add_verdicts(page, report)
    _add_course(page, report)
    if options.files:
        page.add_heading("Files")
        for path in options.files:
            page.add_text(printable(path), indent=2, hanging=2)
    return page.render()


def _add_answer(page: Page, report: Report) -> None:
    diagnosis = report.diagnosis
    character = symbol(diagnosis.verdict, page.unicode)
    name = printable(report.record.name)
    page.add_text(f"{character} {diagnosis.verdict.upper()}: {name}", diagnosis.verdict, hanging=2)
    limits = summary.warning(report)
    if limits:
        page.add_text(limits, "warning", indent=2)
    page.add_text(printable_lines(diagnosis.headline), "title", indent=2)
    if remedy := summary.remedy(report):
        page.add_text(f"Try: {printable_lines(remedy)}", indent=2, hanging=5)
    page.add_text(summary.evidence(report.record), "dim", indent=2)
    page.add_text(summary.theory(report), "dim", indent=2)


def _add_times(page: Page, table: TimeTable) -> None:
    """A sparkline per recurrent layer, its text beside it where both fit."""
    if not table.rows:
        return
    page.add_heading(TITLE)
    page.add_text(table.legend, "dim")
    names = [shortened(row.name, _LONGEST_NAME, page.unicode) for row in table.rows]
    longest = min(_LONGEST_STRIP, max(len(row.heights) for row in table.rows))

    def strips(width: int) -> list[str]:
        return [row.strip(width, unicode=page.unicode) for row in table.rows]

    strip = Column("", draw=strips, tone="info", least=_SHORTEST_STRIP, most=longest)
    columns = [Column("", names), strip, Column("", [row.text for row in table.rows])]
    layout = lay_out(columns, page.width, gap=1)
    beside = layout.fits
    if not beside:
        layout = lay_out([columns[0], replace(strip, least=1)], page.width, gap=1)
    for position, row in enumerate(table.rows):
        page.add_line(layout.row(position))
        if not beside:
            page.add_text(row.text, indent=2, hanging=2)


def _add_verdicts(page: Page, report: Report) -> None:
    page.add_heading("Verdicts")
    if not report.diagnosis.verdicts:
        page.add_text("no detector has judged this run", "warning", indent=2)
    lines = list(summary.verdict_lines(report))
    for line in lines:
        if line.status == _HEALTHY:
            continue
        character = symbol(line.tone, page.unicode)
        title = f"{character} {line.code} {line.name}: {line.status}"
        if line.reason:
            title += f" ({line.reason})"
        page.add_text(title, line.tone, hanging=2)
        if line.message:
            page.add_text(line.message, indent=4)
        for fact in line.facts:
            page.add_text(f"{fact.label}: {fact.text}", indent=4, hanging=2)
    healthy = [f"{line.code} {line.name}" for line in lines if line.status == _HEALTHY]
    if healthy:
        character = symbol(_HEALTHY, page.unicode)
        page.add_text(
            f"{character} {len(healthy)} {_HEALTHY}: {', '.join(healthy)}", _HEALTHY, hanging=2
        )


def _add_course(page: Page, report: Report) -> None:
    record = report.record
    page.add_heading("Loss")
    loss = [float(value) for value in record.scalars["loss"]]
    curve = sparkline(loss, min(_LONGEST_SPARKLINE, page.width - 2), page.unicode)
    page.add_line(Text(f"  {curve}", STYLES["info"]))
    page.add_text(summary.loss_course(record), indent=2)
    page.add_text(f"test set: {summary.evaluation(record)}", indent=2)
