"""The page of a terminal: what was asked for first, the answer last, where the eye ends."""

from __future__ import annotations

from dataclasses import replace

from rich.text import Text

from gradscope.reporters.layout.character_plots import sparkline
from gradscope.reporters.layout.lines import STYLES, Page, shortened
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import Column, lay_out
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, summary
from gradscope.reporters.run.expected_start import start_table
from gradscope.reporters.run.tables.layer_table import layer_table
from gradscope.reporters.run.tables.time_table import TITLE, TimeTable, time_table
from gradscope.reporters.run.tables.weight_table import weight_table
from gradscope.reporters.run.terminal.answer import add_answer, add_state
from gradscope.reporters.run.terminal.check_lines import add_checks
from gradscope.reporters.run.terminal.layer_lines import add_layers
from gradscope.reporters.run.terminal.ledger_lines import add_ledger
from gradscope.reporters.run.terminal.weight_lines import add_weights

WIDEST_ANSWER = 80
"""Columns of the answer on a wider terminal too: longer lines are read less well."""

_LONGEST_SPARKLINE = 72
_LONGEST_NAME = 24
_SHORTEST_STRIP, _LONGEST_STRIP = 20, 60


@REPORTERS.register("text")
def text(report: Report, options: ReportOptions) -> str:
    """Render the answer; above it the layers and the checks where `options` ask for them."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    narrow = Page(
        width=min(options.width, WIDEST_ANSWER), color=options.color, unicode=options.unicode
    )
    if options.detail.layers:
        _add_layers(page, report)
    if options.detail.checks:
        add_checks(page, report)
    if options.detail.layers or options.detail.checks:
        _add_files(page, options.files)
        page.add_text("")
    if options.detail.state_only:
        add_state(narrow, report)
    else:
        add_answer(narrow, report, options)
    before = page.render() if options.detail.layers or options.detail.checks else ""
    return before + narrow.render()


def _add_layers(page: Page, report: Report) -> None:
    """The conditions of the run, its layers, and its course."""
    if limits := summary.warning(report):
        page.add_text(limits, "warning")
    page.add_text(summary.evidence(report.record), "dim")
    page.add_text(summary.theory(report), "dim")
    add_layers(page, layer_table(report))
    add_weights(page, weight_table(report.record))
    add_ledger(page, start_table(report.record))
    _add_times(page, time_table(report))
    _add_course(page, report)


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


def _add_course(page: Page, report: Report) -> None:
    record = report.record
    page.add_heading("Loss")
    loss = [float(value) for value in record.scalars["loss"]]
    curve = sparkline(loss, min(_LONGEST_SPARKLINE, page.width - 2), page.unicode)
    page.add_line(Text(f"  {curve}", STYLES["info"]))
    page.add_text(summary.loss_course(record), indent=2)
    page.add_text(f"test set: {summary.evaluation(record)}", indent=2)


def _add_files(page: Page, files: tuple[str, ...]) -> None:
    if files:
        page.add_heading("Files")
    for path in files:
        page.add_text(printable(path), indent=2, hanging=2)
