"""The heatmap of a sweep: one figure over each pair of axes, with theory's boundary."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradscope.record.sweep_table import SweepAxis, SweepRow, SweepTable
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.sweep.layout import (
    Figure,
    axis_name,
    groups,
    leading_figure,
    mapped,
    mean_of,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

Floats = npt.NDArray[np.float64]

MOST_PANELS = 12
MOST_WRITTEN = 160
"""Cells up to which each has its number written in."""

_LETTERS_ACROSS = 40
"""Letters that stand side by side below a panel of the least width."""


def heatmaps(table: SweepTable) -> Picture | None:
    """One panel for each pair of axes; None without a grid of two axes or without a figure."""
    from gradscope.reporters.figures import style

    figure = leading_figure(table)
    if figure is None or not mapped(table) or len(table.axes) < 2:
        return None
    pairs = list(combinations(range(len(table.axes)), 2))[:MOST_PANELS]
    columns = 1 if len(pairs) == 1 else 2
    rows = math.ceil(len(pairs) / columns)
    widest = max(len(table.axes[b].labels) for _, b in pairs)
    width = max(4.6, min(1.6 + 0.55 * widest, 10.0)) * columns
    tallest = max(len(table.axes[a].labels) for a, _ in pairs)
    picture = style.new_figure(width, max(2.6, min(1.4 + 0.38 * tallest, 9.0)) * rows)
    picture.suptitle(_heatmap_title(table, figure), x=0.01, ha="left", fontsize=10)
    panels: Any = picture.subplots(rows, columns, squeeze=False)
    grids = [_grid(table, a, b, lambda rows: mean_of(rows, figure.column)) for a, b in pairs]
    scale = _color_scale(figure, np.concatenate([grid.ravel() for grid in grids]))
    image: Any = None
    for axes, (a, b), grid in zip(panels.ravel(), pairs, grids, strict=False):
        image = _heatmap(axes, table, (a, b), grid, scale)
        if _boundary(axes, table, a, b):
            _edge_numbers(axes, image)
    for axes in panels.ravel()[len(pairs) :]:
        axes.set_axis_off()
    bar = picture.colorbar(image, ax=panels, shrink=0.9, pad=0.02)
    bar.set_label(f"{figure.title}{' (log)' if scale.logarithmic else ''}")
    if scale.logarithmic:
        ticks = _log_ticks(scale.low, scale.high)
        bar.set_ticks(ticks, labels=[number(10**tick) for tick in ticks])
    return picture


def _heatmap_title(table: SweepTable, figure: Figure) -> str:
    others = "" if len(table.axes) == 2 else ", mean over the other axes"
    seeds = f", mean of {table.seeds} seeds" if table.seeds > 1 else ""
    return printable(f"{table.name}: {figure.title}{others}{seeds}")


class _Scale:
    """The colours of a heatmap: of the values, or of their logarithms."""

    def __init__(self, name: str, low: float, high: float, logarithmic: bool) -> None:
        self.name, self.low, self.high, self.logarithmic = name, low, high, logarithmic

    def shown(self, values: Floats) -> Floats:
        """The values as they are coloured."""
        if not self.logarithmic:
            return values
        with np.errstate(all="ignore"):
            logs: Floats = np.log10(values)
        return np.where(np.isfinite(values) & (values > 0), logs, np.nan)


def _color_scale(figure: Figure, values: Floats) -> _Scale:
    finite = values[np.isfinite(values)]
    if figure.better == "one":
        reach = float(np.abs(np.log10(finite[finite > 0])).max()) if (finite > 0).any() else 1.0
        return _Scale("PuOr", -max(reach, 0.02), max(reach, 0.02), True)
    if figure.better == "low":
        positive = finite[finite > 0]
        low, high = (
            (np.log10(positive.min()), np.log10(positive.max())) if positive.size else (0, 1)
        )
        return _Scale("cividis_r", float(low), float(max(high, low + 0.1)), True)
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    return _Scale("cividis", low, max(high, low + 0.01), False)


def _log_ticks(low: float, high: float) -> list[float]:
    from gradscope.reporters.figures import style

    ticks = style.log_ticks(low, high)
    while len(ticks) > 9:
        ticks = ticks[::2]
    return ticks if len(ticks) >= 2 else list(np.linspace(low, high, 3))


def _grid(
    table: SweepTable, a: int, b: int, figure: Callable[[Sequence[SweepRow]], float]
) -> Floats:
    """The figure over two axes: [value of a, value of b]."""
    cells = groups(table.rows, [a, b])
    return np.array(
        [
            [figure(cells.get((down, across), ())) for across in table.axes[b].labels]
            for down in table.axes[a].labels
        ]
    )


def _heatmap(
    axes: Axes, table: SweepTable, pair: tuple[int, int], grid: Floats, scale: _Scale
) -> Any:
    from gradscope.reporters.figures import style

    shown = scale.shown(grid)
    style.hatched(axes)
    image = axes.pcolormesh(
        np.arange(grid.shape[1] + 1) - 0.5,
        np.arange(grid.shape[0] + 1) - 0.5,
        np.ma.masked_invalid(shown),
        cmap=scale.name,
        vmin=scale.low,
        vmax=scale.high,
        edgecolors="white",
        linewidth=0.6,
    )
    if grid.size <= MOST_WRITTEN:
        size = 8 if grid.shape[1] <= 8 else 6.5
        for (i, j), value in np.ndenumerate(grid):
            digits = 3 if scale.logarithmic else 2
            text = number(float(f"{value:.{digits}g}")) if math.isfinite(value) else "none"
            color = _ink(image, float(shown[i, j]))
            axes.text(j, i, text, ha="center", va="center", fontsize=size, color=color, zorder=6)
    label_axes(axes, table, pair)
    return image


def _ink(image: Any, value: float) -> str:
    """Black or white, whichever is read on the colour of `value`."""
    if not math.isfinite(value):
        return "black"
    red, green, blue, _ = image.cmap(image.norm(value))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _edge_numbers(axes: Axes, image: Any) -> None:
    """Give each number an edge of its cell's colour, so that a line across it can be told apart."""
    from matplotlib import patheffects

    for text in axes.texts:
        column, row = text.get_position()
        value = image.get_array()[int(row), int(column)]
        if np.ma.is_masked(value):
            continue
        cell = image.cmap(image.norm(value))
        text.set_path_effects([patheffects.withStroke(linewidth=2.5, foreground=cell)])


def label_axes(axes: Axes, table: SweepTable, pair: tuple[int, int]) -> None:
    """Write the names and values of two axes of the sweep beside a panel, the first one down."""
    down, across = (table.axes[i] for i in pair)
    axes.set_xlim(-0.5, len(across.labels) - 0.5)
    axes.set_ylim(-0.5, len(down.labels) - 0.5)
    names = [shortened(printable(label), 22, unicode=True) for label in across.labels]
    room = _LETTERS_ACROSS // max(1, len(names))
    broken = [_in_lines(name, room) for name in names]
    fits = max(len(line) for name in broken for line in name.split("\n")) <= room
    axes.set_xticks(range(len(names)), labels=broken if fits else names)
    if not fits:
        axes.tick_params(axis="x", labelrotation=45)
        for text in axes.get_xticklabels():
            text.set_horizontalalignment("right")
            text.set_rotation_mode("anchor")
    axes.set_yticks(
        range(len(down.labels)),
        labels=[shortened(printable(label), 22, unicode=True) for label in down.labels],
    )
    axes.set_xlabel(printable(axis_name(across)))
    axes.set_ylabel(printable(axis_name(down)))


def _in_lines(name: str, room: int) -> str:
    """The name in two lines, broken after its middle underscore, where one line has no room."""
    parts = name.split("_")
    if len(name) <= room or len(parts) == 1:
        return name
    half = (len(parts) + 1) // 2
    return "_".join(parts[:half]) + "_\n" + "_".join(parts[half:])


def _boundary(axes: Axes, table: SweepTable, a: int, b: int) -> bool:
    """Draw theory's trainable depth and where chi_1 passes 1, if one axis is the depth; say if."""
    depth_axis = next((i for i in (a, b) if table.axes[i].keys == ("model.depth",)), None)
    if depth_axis is None:
        return False
    other = b if depth_axis == a else a
    boundary = trainable_depths(table, other)
    depths = [float(label) for label in table.axes[depth_axis].labels]
    inside = (boundary > depths[0]) & (boundary < depths[-1])
    if len(depths) < 2 or depths != sorted(depths) or not inside.any():
        return False
    places = np.interp(boundary, depths, np.arange(len(depths)), left=-0.5, right=len(depths) - 0.5)
    positions = np.arange(len(boundary), dtype=np.float64)
    curve = (positions, places) if depth_axis == a else (places, positions)
    ordered = _is_ordered(table.axes[other])
    for color, width in (("white", 4.0), ("black", 1.8)):
        label = "theory: trainable depth" if color == "black" else None
        lines = "-" if ordered else ""
        axes.plot(*curve, lines, color=color, lw=width, label=label, marker="o", ms=2.0 + width)
    crossing = _chi_crossing(table, other) if ordered else None
    if crossing is not None:
        line = axes.axvline if depth_axis == a else axes.axhline
        for color, width in (("white", 3.6), ("black", 1.4)):
            label = "theory: chi_1 = 1" if color == "black" else None
            line(crossing, color=color, lw=width, ls="--", label=label)
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1.0), frameon=False, ncols=2, fontsize=8)
    return True


def trainable_depths(table: SweepTable, axis: int) -> Floats:
    """Theory's trainable depth for each value of an axis; NaN where other axes change it too."""
    grouped = groups(table.rows, [axis])
    depths = []
    for label in table.axes[axis].labels:
        values = [row.number("theory_trainable_depth") for row in grouped.get((label,), ())]
        known = [min(value, 1e6) for value in values if value > 0]
        alike = bool(known) and max(known) < 1.01 * min(known)
        depths.append(known[0] if alike else math.nan)
    return np.array(depths)


def _is_ordered(axis: SweepAxis) -> bool:
    """Whether the labels are rising numbers, so that a line between them means something."""
    try:
        values = [float(label) for label in axis.labels]
    except ValueError:
        return False
    return values == sorted(values)


def _chi_crossing(table: SweepTable, axis: int) -> float | None:
    """The position between an axis's values at which chi_1 passes 1; None where it does not."""
    grouped = groups(table.rows, [axis])
    logs = []
    for label in table.axes[axis].labels:
        chi = mean_of(grouped.get((label,), ()), "theory_chi_1")
        logs.append(math.log(chi) if 0 < chi < math.inf else math.nan)
    for i in range(len(logs) - 1):
        low, high = logs[i], logs[i + 1]
        if low == 0.0:
            return float(i)
        if low * high < 0.0:
            return i + low / (low - high)
    return None
