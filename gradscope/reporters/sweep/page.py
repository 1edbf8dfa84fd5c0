"""The page of a sweep: its first screen, its pictures, and its members folded below."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from gradscope.record.sweep_table import COLUMNS, NUMBERS, SweepTable
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.run.html import inline
from gradscope.reporters.run.page import screen_page
from gradscope.reporters.run.page.screen_page import FoldedPart, table_markup
from gradscope.reporters.sweep.layout import boundary_text, leading_figure, ranking, title
from gradscope.reporters.sweep.pictures import CAPTIONS
from gradscope.reporters.sweep.screen import sweep_screen

MOST_ROWS = 500
_FORMS = ("png", "svg", "pdf")


def render(table: SweepTable, files: Mapping[str, bytes]) -> str:
    """The page as a string; `files` are the pictures by file name."""
    pictures = "\n".join(
        _picture(name, caption, files[f"{name}.svg"].decode())
        for name, caption in CAPTIONS.items()
        if f"{name}.svg" in files
    )
    boundary = boundary_text(table)
    if boundary:
        pictures += f'<p class="s14 soft section">{escape(boundary[:1].upper() + boundary[1:])}</p>'
    return screen_page.render(
        sweep_screen(table), printable(title(table)), list(_parts(table)), shown=pictures
    )


def _picture(name: str, caption: str, svg: str) -> str:
    links = ", ".join(f'<a href="{name}.{form}">{form.upper()}</a>' for form in _FORMS)
    return (
        f'<figure class="picture{_kind(name)}" id="{name}">{inline(svg, name)}'
        f"<figcaption>{escape(caption)} ({links})</figcaption></figure>"
    )


def _kind(name: str) -> str:
    """A class more for a picture whose colours mean something, and are the same in the dark."""
    return "" if name == "profiles" else " map"


def _parts(table: SweepTable) -> Iterator[FoldedPart]:
    """The members as a table, and what its columns mean."""
    names = _shown_columns(table)
    rows = [row for ranked in ranking(table) for row in ranked.rows]
    figure = leading_figure(table)
    ranked_by = f", best first: {printable(figure.title)}" if figure else ""
    shown = rows[:MOST_ROWS]
    left_out = len(rows) - len(shown)
    where = f"{len(shown)} of {len(rows)} shown; " if left_out else "also as "
    note = f'<p class="soft s14">{where}<a href="table.csv">table.csv</a></p>'
    members = table_markup(
        [printable(name) for name in names],
        [[_text(table.cell(row, name)) for name in names] for row in shown],
        [_is_number(table, name) for name in names],
    )
    yield FoldedPart("members", f"Members{ranked_by}", f"{len(rows):,}", note + members)
    meanings = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(COLUMNS[name])}</dd>"
        for name in names
        if name in COLUMNS
    )
    version = f'<p class="soft s14">gradscope {escape(printable(table.code_version))}</p>'
    yield FoldedPart("columns", "Columns", str(len(names)), f"<dl>{meanings}</dl>{version}")


def _shown_columns(table: SweepTable) -> list[str]:
    """The columns in which some row has something."""
    hidden = {"combination"} if table.seeds == 1 else set()
    return [
        name
        for name in table.columns
        if name not in hidden and any(_text(table.cell(row, name)) for row in table.rows)
    ]


def _is_number(table: SweepTable, name: str) -> bool:
    if name in NUMBERS or name in ("member", "combination", "seed"):
        return True
    return all(isinstance(row.values.get(name), (int, float)) for row in table.rows)


def _text(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return number(value)
    return printable(str(value))
