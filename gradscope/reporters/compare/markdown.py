"""A comparison as Markdown, for an issue or a pull request."""

from __future__ import annotations

from collections.abc import Iterator

from gradscope.reporters.compare import COMPARE_FORMS, Compared
from gradscope.reporters.compare.content import Table, heading, sections
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions


@COMPARE_FORMS.register("markdown")
def markdown(compared: Compared, options: ReportOptions) -> str:
    """Render the sections under headings, the tables as tables."""
    del options
    lines = [f"# {_escaped(heading(compared))}", ""]
    for section in sections(compared):
        lines += [f"## {_escaped(section.heading)}", ""]
        lines += [f"- {_escaped(line)}" for line in section.lines]
        if section.lines:
            lines.append("")
        if section.table is not None:
            lines += [*_table(section.table), ""]
        if section.note:
            lines += [_escaped(section.note), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(map(_escaped, table.headings))} |"
    yield f"|{'|'.join('---:' if right else '---' for right in table.numbers)}|"
    for row in table.rows:
        yield f"| {' | '.join(map(_escaped, row))} |"


def _escaped(text: str) -> str:
    shown = printable(text)
    for character in "\\`*<>|[]&":
        shown = shown.replace(character, f"\\{character}")
    # A zero-width space after @ prevents a mention: a layer's name notifies nobody.
    return shown.replace("@", "@&#8203;")
