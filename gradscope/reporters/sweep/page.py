"""The page of a sweep: one HTML file, no script, nothing loaded from the network."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from gradscope.record.sweep_table import COLUMNS, NUMBERS, SweepTable
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.templates import page_environment
from gradscope.reporters.run.html import inline
from gradscope.reporters.sweep.layout import (
    STATE_WORDS,
    boundary_text,
    leading_figure,
    ranking,
    state_counts,
    state_of,
    title,
)
from gradscope.reporters.sweep.pictures import CAPTIONS

if TYPE_CHECKING:
    from jinja2 import Template

MOST_ROWS = 500


@dataclass(frozen=True)
class _Heading:
    name: str
    kind: str


@dataclass(frozen=True)
class _Row:
    state: str
    cells: list[str]


def render(table: SweepTable, files: Mapping[str, bytes]) -> str:
    """The page as a string; `files` are the pictures by file name."""
    names = _shown_columns(table)
    rows = [row for ranked in ranking(table) for row in ranked.rows]
    figure = leading_figure(table)
    return _template().render(
        title=printable(title(table)),
        counts=[(s, f"{count:,}", STATE_WORDS.get(s, s)) for s, count in state_counts(table)],
        pictures=[
            (name, caption, inline(files[f"{name}.svg"].decode(), name))
            for name, caption in CAPTIONS.items()
            if f"{name}.svg" in files
        ],
        boundary=printable(boundary_text(table)),
        ranked_by=printable(figure.title) if figure else "",
        headings=[_Heading(printable(n), "n" if _is_number(table, n) else "") for n in names],
        rows=[
            _Row(state_of(row), [_text(table.cell(row, name)) for name in names])
            for row in rows[:MOST_ROWS]
        ],
        left_out=max(0, len(rows) - MOST_ROWS),
        columns=[(name, COLUMNS[name]) for name in names if name in COLUMNS],
        version=printable(table.code_version),
    )


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


@cache
def _template() -> Template:
    return page_environment().get_template("sweep/page.html.j2")
