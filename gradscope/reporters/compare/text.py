"""A comparison in a terminal."""

from __future__ import annotations

from gradscope.reporters.compare import COMPARE_FORMS, Compared
from gradscope.reporters.compare.content import Table, cells_of, heading, sections
from gradscope.reporters.layout.lines import Page, shortened
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions


@COMPARE_FORMS.register("text")
def text(compared: Compared, options: ReportOptions) -> str:
    """Render the comparison in the width and the characters of `options`."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    page.add_text(printable(heading(compared)), "title")
    for section in sections(compared):
        page.add_heading(printable(section.heading))
        for line in section.lines:
            page.add_text(printable(line), indent=2, hanging=2)
        if section.table is not None:
            _add_table(page, section.table)
        if section.note:
            page.add_text(printable(section.note), "dim", indent=2, hanging=2)
    if options.files:
        page.add_heading("Files")
        for path in options.files:
            page.add_text(printable(path), indent=2, hanging=2)
    return page.render()


def _add_table(page: Page, table: Table) -> None:
    columns = [
        Column(
            shortened(printable(name), 16, page.unicode),
            [shortened(printable(cell), 24, page.unicode) for cell in cells_of(table, position)],
            right=table.numbers[position],
            priority=table.priorities[position],
        )
        for position, name in enumerate(table.headings)
    ]
    add_table(page, lay_out(columns, page.width - 2), len(table.rows), indent=2)
