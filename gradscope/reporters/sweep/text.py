"""A sweep in a terminal: the map of states over two axes, and the ranking."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from gradscope.message_text import counted
from gradscope.record.sweep_table import Look, RowStatus, SweepRow, SweepTable
from gradscope.reporters.layout.lines import STYLES, Page, shortened, symbol
from gradscope.reporters.layout.numbers import number, percent
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.layout.table import Column, add_table, lay_out
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sweep.layout import (
    STATE_WORDS,
    Ranked,
    axis_name,
    boundary_text,
    counts_text,
    groups,
    leading_figure,
    mapped,
    ranking,
    state_counts,
    state_of,
    title,
    worst_state,
)

MOST_MAPS = 9
"""Maps of two axes, one for each combination of the other axes; the page has all of them."""

MOST_RANKED = 10
_LONGEST_LABEL = 18
_TONES = {
    "within": "healthy",
    "beyond": "error",
    "outside": "inconclusive",
    "failed": "crashed",
    "partial": "inconclusive",
    "pending": "skipped",
}
_MARKS = {"failed": "F", "partial": "~", "pending": "."}


def sweep_text(table: SweepTable, options: ReportOptions) -> str:
    """Render the sweep in the width and the characters of `options`."""
    page = Page(width=options.width, color=options.color, unicode=options.unicode)
    page.add_text(printable(title(table)), "title")
    page.add_text(counts_text(table), indent=2, hanging=2)
    if boundary := boundary_text(table):
        page.add_text(boundary, indent=2, hanging=2)
    if mapped(table) and table.rows:
        _add_maps(page, table)
    _add_ranking(page, table)
    _add_failures(page, table)
    if options.files:
        page.add_heading("Files")
        for path in options.files:
            page.add_text(printable(path), indent=2, hanging=2)
    return page.render()


def _add_maps(page: Page, table: SweepTable) -> None:
    """One map of the first two axes for each combination of the others."""
    axes = table.axes
    others = list(range(2, len(axes)))
    blocks = groups(table.rows, others)
    what = "depth by theory" if table.look is Look.THEORY else "verdicts"
    seeds = f", the worst of {table.seeds} seeds" if table.seeds > 1 else ""
    over = axis_name(axes[0]) + (f" (down) and {axis_name(axes[1])} (across)" if axes[1:] else "")
    page.add_heading(f"{what[0].upper()}{what[1:]} over {printable(over)}{seeds}")
    for key, rows in list(blocks.items())[:MOST_MAPS]:
        if key:
            named = zip(others, key, strict=True)
            page.add_text(
                printable(", ".join(f"{axis_name(axes[i])} {label}" for i, label in named)),
                indent=2,
            )
        _add_map(page, table, rows)
    if len(blocks) > MOST_MAPS:
        page.add_text(
            f"{MOST_MAPS} of {len(blocks)} maps shown; report.html has all", "dim", indent=2
        )
    _add_legend(page, table)


def _add_map(page: Page, table: SweepTable, rows: Sequence[SweepRow]) -> None:
    down = [label for label in table.axes[0].labels if any(r.labels[0] == label for r in rows)]
    across = list(table.axes[1].labels) if len(table.axes) > 1 else [""]
    by_cell = groups(rows, [0, 1] if len(table.axes) > 1 else [0])
    names = [shortened(printable(label), _LONGEST_LABEL, page.unicode) for label in down]
    heads = [printable(label) for label in across]
    left = max(map(cell_len, names)) + 2
    room = page.width - left - 2
    texts = {key: _cell(cell_rows, page.unicode) for key, cell_rows in by_cell.items()}
    wide = max([cell_len(text) for text, _ in texts.values()] + [1])
    fitted = [shortened(head, 9, page.unicode) for head in heads]
    width = max(wide, *(map(cell_len, fitted)), 1) + 1
    if width * len(across) > room:  # marks alone, under the heads that fit
        texts = {key: (text[:1], tone) for key, (text, tone) in texts.items()}
        width = max(2, min(width, room // len(across)))
    shown = max(1, room // width)
    columns = list(range(len(across)))[:shown]
    page.add_line(Text("  " + " " * left + _heads([fitted[i] for i in columns], width), "dim"))
    for label, name in zip(down, names, strict=True):
        line = Text("  " + name.ljust(left))
        for i in columns:
            key = (label, across[i]) if len(table.axes) > 1 else (label,)
            text, tone = texts.get(key, ("", ""))
            line.append(text + " " * (width - cell_len(text)), STYLES.get(tone, ""))
        page.add_line(line)
    if len(columns) < len(across):
        page.add_text(
            f"{len(columns)} of {counted(len(across), 'column')} shown; report.html has all",
            "dim",
            indent=2,
        )


def _heads(heads: Sequence[str], width: int) -> str:
    """The heads at their columns; one that would run into the next is left out."""
    line = ""
    for i, head in enumerate(heads):
        at = i * width
        if not line or cell_len(line) < at:
            line += " " * (at - cell_len(line)) + head
    return line


def _cell(rows: Sequence[SweepRow], unicode: bool) -> tuple[str, str]:
    """The mark of the worst state of some rows, with the number of its code, and its tone."""
    state = worst_state([state_of(row) for row in rows])
    tone = _TONES.get(state, state)
    mark = _MARKS.get(state) or symbol(tone, unicode)
    code = next((r.text("code") for r in rows if state_of(r) == state and r.text("code")), "")
    return mark + (code.removeprefix("GS") if state in ("unhealthy", "warning") else ""), tone


def _add_legend(page: Page, table: SweepTable) -> None:
    """The marks that occur, over as many lines as they need."""
    items: list[tuple[str, str, str]] = []
    for state, _ in state_counts(table):
        tone = _TONES.get(state, state)
        mark = _MARKS.get(state) or symbol(tone, page.unicode)
        items.append((mark, f" {STATE_WORDS.get(state, state)}", STYLES.get(tone, "")))
    if any(row.text("code") for row in table.rows):
        items.append(("101", " is the code GS101", STYLES["dim"]))
    line = Text("  ")
    for mark, words, tone in items:
        if line.cell_len > 2 and line.cell_len + len(mark + words) > page.width:
            page.add_line(line)
            line = Text("  ")
        line.append(mark, tone).append(f"{words}  ")
    page.add_line(line)


def _add_ranking(page: Page, table: SweepTable) -> None:
    """The best combinations, and the worst where there are more."""
    figure, ranked = leading_figure(table), ranking(table)
    if figure is None or not ranked:
        return
    better = {"high": "highest", "low": "lowest", "one": "nearest to 1"}[figure.better]
    page.add_heading(f"Best first: {figure.title}, {better}")
    usable = [one for one in ranked if not math.isnan(one.figure)]
    shown = usable if len(usable) <= MOST_RANKED else [*usable[: MOST_RANKED - 3], *usable[-3:]]
    numbers = [usable.index(one) + 1 for one in shown]
    columns = _ranking_columns(table, shown, numbers, page.unicode)
    add_table(page, lay_out(columns, page.width - 2), len(shown), indent=2)
    if len(shown) < len(usable):
        page.add_text(
            f"the first {MOST_RANKED - 3} and the last 3 of {len(usable)}; table.csv has all",
            "dim",
            indent=2,
        )


def _ranking_columns(
    table: SweepTable, shown: Sequence[Ranked], numbers: Sequence[int], unicode: bool
) -> list[Column]:
    columns = [Column("", [str(n) for n in numbers], right=True)]
    for position, axis in enumerate(table.axes):
        cells = [
            shortened(printable(one.rows[0].labels[position]), _LONGEST_LABEL, unicode)
            for one in shown
        ]
        columns.append(Column(printable(axis_name(axis)), cells))
    for heading, column, priority in _MEASURED:
        values = [one.mean(column) for one in shown]
        if any(not math.isnan(value) for value in values):
            show = percent if heading in ("accuracy", "dead") else number
            cells = [show(value) for value in values]
            columns.append(Column(heading, cells, right=True, priority=priority))
    if table.look is not Look.THEORY:
        words = [" ".join(filter(None, (one.state, one.code))) for one in shown]
        columns.append(Column("verdict", words))
    else:
        columns.append(Column("depth", [one.state for one in shown]))
    return columns


_MEASURED = (
    ("accuracy", "test_accuracy", 1),
    ("loss", "loss", 2),
    ("delta/layer", "init_delta_per_layer", 3),
    ("z/layer", "init_signal_per_layer", 5),
    ("theory", "theory_delta_per_layer", 4),
    ("6 xi_c", "theory_trainable_depth", 6),
    ("dead", "trained_dead_fraction", 7),
)
"""Heading, column, and how soon a narrow terminal drops it."""


def _add_failures(page: Page, table: SweepTable) -> None:
    """The reasons of members that could not be measured, each once."""
    failed = [row for row in table.rows if row.text("status") == RowStatus.FAILED]
    if not failed:
        return
    page.add_heading(f"{counted(len(failed), 'member')} could not be measured")
    for reason, members in _by_reason(failed):
        page.add_text(printable(f"member {members}: {reason}"), "warning", indent=2, hanging=2)


def _by_reason(rows: Sequence[SweepRow]) -> Iterator[tuple[str, str]]:
    by_reason: dict[str, list[str]] = {}
    for row in rows:
        by_reason.setdefault(row.text("reason"), []).append(str(row.cells["member"]))
    for reason, members in by_reason.items():
        more = f" and {len(members) - 3} more" if len(members) > 3 else ""
        yield reason, ", ".join(members[:3]) + more
