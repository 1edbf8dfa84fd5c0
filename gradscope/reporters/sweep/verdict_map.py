"""The map of verdicts of a sweep: the state of every cell, with the leading code."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradscope.record.sweep_table import Look, SweepRow, SweepTable
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.sweep.heatmap import MOST_PANELS, label_axes
from gradscope.reporters.sweep.layout import (
    STATE_WORDS,
    axis_name,
    groups,
    mapped,
    state_of,
    worst_state,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

Floats = npt.NDArray[np.float64]

# Okabe and Ito's colours, with words or codes in the cells besides.
_COLORS = {
    "healthy": "#009E73",
    "within": "#009E73",
    "warning": "#F0E442",
    "unhealthy": "#D55E00",
    "beyond": "#D55E00",
    "inconclusive": "#C8C8C8",
    "outside": "#C8C8C8",
    "partial": "#C8C8C8",
    "failed": "#CC79A7",
    "pending": "#FFFFFF",
}
_WORDS = {
    "healthy": "ok",
    "within": "ok",
    "beyond": "deep",
    "inconclusive": "?",
    "outside": "?",
    "failed": "failed",
    "partial": "partial",
    "pending": "-",
}


def verdict_map(table: SweepTable) -> Picture | None:
    """The state of every cell: rows and columns are the first two axes, panels the others."""
    from matplotlib.patches import Patch

    from gradscope.reporters.figures import style

    if not mapped(table) or len(table.axes) < 2:
        return None
    a, b = 0, 1
    others = list(range(2, len(table.axes)))
    blocks = list(groups(table.rows, others).items())
    shown = blocks[:MOST_PANELS]
    columns = min(3, len(shown))
    rows = math.ceil(len(shown) / columns)
    wide = max(3.0, 1.2 + 0.62 * len(table.axes[b].labels))
    tall = max(1.8, 0.9 + 0.34 * len(table.axes[a].labels))
    picture = style.new_figure(min(wide * columns, 16.0), min(tall * rows + 0.6, 20.0))
    what = "trainable by theory" if table.look is Look.THEORY else "verdict"
    rest = f", {len(shown)} of {len(blocks)} panels" if len(shown) < len(blocks) else ""
    seeds = f", the worst of {table.seeds} seeds" if table.seeds > 1 else ""
    picture.suptitle(
        printable(f"{table.name}: {what}{seeds}{rest}"), x=0.01, ha="left", fontsize=10
    )
    panels: Any = picture.subplots(rows, columns, squeeze=False)
    for axes, (key, block) in zip(panels.ravel(), shown, strict=False):
        _verdict_panel(axes, table, block, (a, b))
        if key:
            named = zip(others, key, strict=True)
            text = ", ".join(f"{axis_name(table.axes[i])} {label}" for i, label in named)
            axes.set_title(printable(text), loc="left", fontsize=8.5)
    for axes in panels.ravel()[len(shown) :]:
        axes.set_axis_off()
    present = dict.fromkeys(map(state_of, table.rows))
    handles = [
        Patch(facecolor=_COLORS[state], edgecolor="#555555", label=STATE_WORDS.get(state, state))
        for state in _COLORS
        if state in present
    ]
    picture.legend(handles=handles, loc="outside lower left", ncols=4, frameon=False)
    return picture


def _verdict_panel(
    axes: Axes, table: SweepTable, rows: Sequence[SweepRow], pair: tuple[int, int]
) -> None:
    from matplotlib.patches import Rectangle

    cells = groups(rows, list(pair))
    down, across = (table.axes[i].labels for i in pair)
    for i, vertical in enumerate(down):
        for j, horizontal in enumerate(across):
            inside = cells.get((vertical, horizontal), ())
            if not inside:
                continue
            state = worst_state([state_of(row) for row in inside])
            axes.add_patch(
                Rectangle((j - 0.5, i - 0.5), 1, 1, facecolor=_COLORS[state], edgecolor="white")
            )
            code = next((r.text("code") for r in inside if state_of(r) == state), "")
            text = code if state in ("unhealthy", "warning") and code else _WORDS.get(state, state)
            axes.text(j, i, text, ha="center", va="center", fontsize=7)
    label_axes(axes, table, pair)
