"""A comparison as one HTML file: its first screen, and every section folded below."""

from __future__ import annotations

from html import escape

from gradscope.gate.runs_compared import RunsCompared
from gradscope.reporters.compare import COMPARE_FORMS, Compared, profiles
from gradscope.reporters.compare.content import Section, heading, sections
from gradscope.reporters.compare.screen import compare_screen
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.html import inline
from gradscope.reporters.run.page.screen_page import FoldedPart, render, table_markup


@COMPARE_FORMS.register("html")
def html(compared: Compared, options: ReportOptions) -> str:
    """Render the page; the profiles of runs stand below in one picture, all runs in it."""
    del options
    parts = [_part(number, section) for number, section in enumerate(sections(compared), 1)]
    if isinstance(compared, RunsCompared):
        svg = profiles.files(compared)["profiles.svg"].decode()
        picture = f'<figure class="picture">{inline(svg, "profiles")}</figure>'
        count = f"{len(compared.sides)} runs"
        parts.append(FoldedPart("profiles", "Profiles of all runs", count, picture))
    return render(compare_screen(compared), printable(heading(compared)), parts)


def _part(number: int, section: Section) -> FoldedPart:
    markup = []
    if section.lines:
        items = "".join(f"<li>{_escaped(line)}</li>" for line in section.lines)
        markup.append(f"<ul>{items}</ul>")
    count = len(section.lines)
    if section.table is not None:
        table = section.table
        rows = [[printable(cell) for cell in row] for row in table.rows]
        headings = [printable(name) for name in table.headings]
        markup.append(table_markup(headings, rows, table.numbers))
        count = len(rows)
    if section.note:
        markup.append(f'<p class="soft s14">{_escaped(section.note)}</p>')
    title = printable(section.heading)
    return FoldedPart(f"part-{number}", title, str(count), "\n".join(markup))


def _escaped(text: str) -> str:
    return escape(printable(text))
