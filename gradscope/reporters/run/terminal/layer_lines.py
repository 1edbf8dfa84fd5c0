"""The layer table in characters: as many columns as fit, or a list where too few do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from rich.cells import cell_len
from rich.text import Text

from gradscope.reporters.layout.character_plots import bar
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol, wrapped
from gradscope.reporters.layout.numbers import number, ratio
from gradscope.reporters.layout.table import NARROWEST_TABLE, Column, Layout, add_beside, lay_out
from gradscope.reporters.run.tables.folding import Fold, fold
from gradscope.reporters.run.tables.layer_figures import FIGURES
from gradscope.reporters.run.tables.layer_table import LayerRow, LayerTable, cell

_LONGEST_NAME, _SHORTEST_NAME = 24, 14
_BAR, _LONGEST_BAR = 6, 16
_BAND, _FIGURES, _LAST = 6, 7, 1000
"""Priorities: gains, bars, index and band are kept longer than `FIGURES`, the activation less."""


def add_layers(page: Page, table: LayerTable) -> None:
    """Put the table on the page."""
    entries = fold(table.rows)
    page.add_heading("Layers, from input to output")
    page.add_text(table.caption, "dim")
    if page.width < NARROWEST_TABLE:
        for entry in entries:
            _add_item(page, entry, gains=table.gains)
    else:
        page.add_text(
            f"bars, log scale: signal {table.scale('signal')}, gradient {table.scale('gradient')}",
            "dim",
        )
        _add_columns(page, table, entries)
    for note in table.notes:
        page.add_text(note, "dim")
    page.add_text(table.legend, "dim")


def _findings(row: LayerRow, unicode: bool, *, codes: bool = False) -> list[str]:
    """The marks and the note of a row."""
    marks = [
        f"{symbol(mark.severity, unicode)} {mark.code if codes else mark.name}"
        for mark in row.marks
    ]
    return marks + ([row.note] if row.note else [])


def _packed(texts: Sequence[str], width: int) -> list[str]:
    """Lines of `width` columns; texts share a line where they fit whole."""
    lines: list[str] = []
    for text in texts:
        if lines and cell_len(f"{lines[-1]}, {text}") <= width:
            lines[-1] += f", {text}"
        else:
            lines.extend(wrapped(text, width))
    return lines or [""]


def _finding_lines(row: LayerRow, width: int, unicode: bool) -> list[str]:
    """The findings of one row; their codes where several do not fit on one line by name."""
    lines = _packed(_findings(row, unicode), width)
    if len(lines) == 1 or len(row.marks) < 2:
        return lines
    return _packed(_findings(row, unicode, codes=True), width)


def _tone(row: LayerRow) -> str:
    severities = [mark.severity for mark in row.marks]
    return next((s for s in ("error", "warning", "info") if s in severities), "")


def _add_item(page: Page, row: LayerRow | Fold, *, gains: bool) -> None:
    """One layer of the list for narrow terminals."""
    if isinstance(row, Fold):
        page.add_text(row.text, "dim", hanging=2)
        return
    kind = row.activation or row.kind
    name = shortened(row.name, page.width - cell_len(f"{row.index} "), page.unicode)
    page.add_text(f"{row.index} {name} ({kind})", _tone(row) or "title", hanging=2)
    if row.weighted:
        for quantity, value, gain in (
            ("signal", row.signal, row.signal_gain),
            ("gradient", row.gradient, row.gradient_gain),
        ):
            text = f"{quantity} {number(value)}"
            page.add_text(f"{text}, gain {ratio(gain)}" if gains else text, indent=2, hanging=2)
        if row.band:
            page.add_text(f"expected band at step 0: {row.band}", indent=2, hanging=2)
        rest = [f"{column.heading} {cell(row, name)}" for name, column in FIGURES.items()]
        page.add_text(", ".join(rest), indent=2, hanging=2)
    for text in _findings(row, page.unicode):
        page.add_text(text, _tone(row), indent=2, hanging=2)


def _add_columns(page: Page, table: LayerTable, entries: Sequence[LayerRow | Fold]) -> None:
    rows = [entry for entry in entries if isinstance(entry, LayerRow)]
    columns = _columns(rows, table, page)
    gap = 2 if page.width >= 140 else 1
    fixed = sum(column.width + gap for column in columns if not column.priority)
    width = page.width - _findings_width(rows, page, page.width - fixed)
    layout = lay_out(columns, width - gap, gap)
    page.add_line(Text(f"{layout.heading()}{' ' * gap}findings", STYLES["title"]))
    position = 0
    for entry in entries:
        if isinstance(entry, Fold):
            page.add_text(entry.text, "dim", indent=1, hanging=4)
            continue
        _add_row(page, layout, position, entry)
        position += 1
    if layout.absent:
        absent = ", ".join(layout.absent)
        page.add_text(f"no room at this width for {absent}: report.html has them", "dim")


def _add_row(page: Page, layout: Layout, position: int, row: LayerRow) -> None:
    # A layer without figures has the whole line for its findings.
    keys = None if row.weighted else ("index", "name")
    left = layout.row(position, keys).append(" " * layout.gap)
    add_beside(page, left, lambda width: _finding_lines(row, width, page.unicode), _tone(row))


def _findings_width(rows: Sequence[LayerRow], page: Page, free: int) -> int:
    """How many columns the findings keep; `free` is what the columns that always stay leave."""
    findings = [_findings(row, page.unicode) for row in rows if row.weighted]
    texts = [text for row in findings for text in row] + ["findings"]
    together = max((cell_len(", ".join(row)) for row in findings), default=0)
    longest = max(map(cell_len, texts))
    # Words stay whole, so the longest word is the least that the findings need.
    least = max(cell_len(word) for text in texts for word in text.split(" "))
    third = page.width // 3
    wanted = max(least, together if longest <= together <= third else min(longest, third))
    return wanted if wanted <= free else max(least, free)


def _columns(rows: Sequence[LayerRow], table: LayerTable, page: Page) -> list[Column]:
    """The columns from left to right, without those that no row has a figure for."""
    longest = _LONGEST_NAME if page.width >= 80 else _SHORTEST_NAME

    def cells(write: Callable[[LayerRow], str]) -> list[str]:
        return [write(row) if row.weighted else "" for row in rows]

    def bars(quantity: str, priority: int) -> Column:
        scale, values = table.scale(quantity), [getattr(row, quantity) for row in rows]

        def draw(width: int) -> list[str]:
            return [bar(scale.fraction(value), width, page.unicode) for value in values]

        return Column("", priority=priority, draw=draw, least=_BAR, most=_LONGEST_BAR)

    def gain(quantity: str, priority: int) -> list[Column]:
        texts = cells(lambda row: ratio(getattr(row, f"{quantity}_gain")))
        return [Column("gain", texts, True, priority)] if table.gains else []

    names = [shortened(row.name, longest, page.unicode) for row in rows]
    kinds = [shortened(row.activation or row.kind, longest, page.unicode) for row in rows]
    band = [Column("band", cells(lambda row: row.band), priority=_BAND)] if table.banded else []
    return [
        Column("#", [str(row.index) for row in rows], True, 5, key="index"),
        Column("layer", names, key="name"),
        Column("phi", kinds, priority=_LAST),
        Column("signal", cells(lambda row: number(row.signal)), True),
        bars("signal", 4),
        *gain("signal", 3),
        Column("gradient", cells(lambda row: number(row.gradient)), True),
        bars("gradient", 2),
        *gain("gradient", 1),
        *band,
        *(
            Column(
                column.heading,
                cells(partial(cell, name=name)),
                True,
                _FIGURES + column.priority,
            )
            for name, column in FIGURES.items()
        ),
    ]
