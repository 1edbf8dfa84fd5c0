"""Columns of text laid out for a width: the least important are dropped, elastic ones stretch."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from rich.cells import cell_len
from rich.text import Text

from gradscope.reporters.layout.lines import STYLES, Page

NARROWEST_TABLE = 60
"""Columns of a terminal below which a table becomes a list."""


@dataclass(frozen=True)
class Column:
    """A heading and its cells, one per row.

    A column of `priority` 0 always stays; of the others, the lowest stays longest. An elastic
    column has `draw` instead of `cells`: it gives the cells for a width from `least` to `most`.
    """

    heading: str
    cells: Sequence[str] = ()
    right: bool = False
    priority: int = 0
    tone: str = ""
    draw: Callable[[int], Sequence[str]] | None = None
    least: int = 0
    most: int = 0
    key: str = ""

    @property
    def width(self) -> int:
        """The width that the column needs."""
        return self.least if self.draw else max(map(cell_len, (self.heading, *self.cells)))

    def padded(self, text: str) -> str:
        """The text as wide as the column."""
        space = " " * (self.width - cell_len(text))
        return space + text if self.right else text + space


@dataclass(frozen=True)
class Layout:
    """The columns that fit, in their order, and the headings of those that do not."""

    columns: tuple[Column, ...]
    absent: tuple[str, ...]
    width: int
    gap: int

    @property
    def used(self) -> int:
        """The width of a row without trailing text."""
        return sum(column.width for column in self.columns) + self.gap * (len(self.columns) - 1)

    @property
    def fits(self) -> bool:
        """Whether the columns that always stay are within the width."""
        return self.used <= self.width

    def heading(self) -> str:
        """The first line of the table."""
        return (" " * self.gap).join(column.padded(column.heading) for column in self.columns)

    def row(self, position: int, keys: Collection[str] | None = None) -> Text:
        """One row; `keys` limits it to some of the columns."""
        shown = [column for column in self.columns if keys is None or column.key in keys]
        cells = [
            Text(column.padded(column.cells[position]), STYLES.get(column.tone, ""))
            for column in shown
        ]
        return Text(" " * self.gap).join(cells)


def lay_out(columns: Sequence[Column], width: int, gap: int = 2) -> Layout:
    """Choose the columns for `width` and share what is left among the elastic ones."""
    shown = [column for column in columns if not column.priority]
    used = sum(column.width + gap for column in shown) - gap
    optional = [column for column in columns if column.priority]
    for column in sorted(optional, key=lambda column: column.priority):
        if used + gap + column.width <= width:
            shown.append(column)
            used += gap + column.width
    elastic = sum(column.draw is not None for column in shown)
    share = max(0, width - used) // elastic if elastic else 0
    kept = [_stretched(column, share) for column in columns if column in shown]
    absent = tuple(c.heading for c in columns if c not in shown and c.heading)
    return Layout(tuple(kept), absent, width, gap)


def _stretched(column: Column, share: int) -> Column:
    if column.draw is None:
        return column
    width = min(column.least + share, max(column.most, column.least))
    return replace(column, cells=column.draw(width), least=width)


def add_table(
    page: Page, layout: Layout, rows: int, *, indent: int = 0, tone: str = "title"
) -> None:
    """Put a table of `rows` rows without trailing text on the page; `tone` is its heading's."""
    space = " " * indent
    page.add_line(Text(space + layout.heading(), STYLES[tone]))
    for position in range(rows):
        page.add_line(Text(space).append(layout.row(position)))


def add_beside(page: Page, left: Text, write: Callable[[int], Sequence[str]], tone: str) -> None:
    """Put the lines that `write` gives for a width on the page, the first beside `left`."""
    for line in write(page.width - left.cell_len):
        page.add_line(left.append(line, STYLES.get(tone, "")))
        left = Text(" " * (left.cell_len - cell_len(line)))
