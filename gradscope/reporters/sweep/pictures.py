"""The pictures of a sweep: heatmaps over two axes, the map of verdicts, profiles over depth."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradscope.record.sweep_table import Look, SweepAxis, SweepRow, SweepTable
from gradscope.reporters.figures import rendering
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.sweep.layout import (
    STATE_WORDS,
    Figure,
    axis_name,
    groups,
    leading_figure,
    mapped,
    mean_of,
    state_of,
    worst_state,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

Floats = npt.NDArray[np.float64]

MOST_PANELS = 12
MOST_FACETS = 8
MOST_WRITTEN = 160
"""Cells up to which each has its number written in."""

CAPTIONS = {
    "heatmap": "The figure over each pair of axes, a mean over the other axes and the seeds",
    "verdicts": "The state of each member, the worst of its seeds, with the leading code",
    "profiles": "Gradient and signal over depth",
}

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


def files(table: SweepTable) -> dict[str, bytes]:
    """File name -> content: each picture as PNG, SVG and PDF."""
    pictures = draw(table)
    content = rendering.rendered(pictures)
    for name, picture in pictures.items():
        content[f"{name}.pdf"] = _pdf(picture)
    return content


def draw(table: SweepTable) -> dict[str, Picture]:
    """The pictures that the table has enough for, by name."""
    made: dict[str, Callable[[SweepTable], Picture | None]] = {
        "heatmap": heatmaps,
        "verdicts": verdict_map,
        "profiles": profiles,
    }
    with rendering.settings():
        drawn = {name: make(table) for name, make in made.items() if table.rows}
    return {name: picture for name, picture in drawn.items() if picture is not None}


def _pdf(picture: Picture) -> bytes:
    with rendering.settings():
        from matplotlib.backends.backend_pdf import FigureCanvasPdf

        content = io.BytesIO()
        FigureCanvasPdf(picture).print_pdf(  # type: ignore[no-untyped-call]
            content, metadata={"CreationDate": None, "Creator": None, "Producer": None}
        )
        return content.getvalue()


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
        _boundary(axes, table, a, b)
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
    _label_axes(axes, table, pair)
    return image


def _ink(image: Any, value: float) -> str:
    """Black or white, whichever is read on the colour of `value`."""
    if not math.isfinite(value):
        return "black"
    red, green, blue, _ = image.cmap(image.norm(value))
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"


def _label_axes(axes: Axes, table: SweepTable, pair: tuple[int, int]) -> None:
    down, across = (table.axes[i] for i in pair)
    axes.set_xlim(-0.5, len(across.labels) - 0.5)
    axes.set_ylim(-0.5, len(down.labels) - 0.5)
    names = [shortened(printable(label), 22, unicode=True) for label in across.labels]
    axes.set_xticks(range(len(names)), labels=names)
    if max(map(len, names), default=0) * len(names) > 40:
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


def _boundary(axes: Axes, table: SweepTable, a: int, b: int) -> None:
    """Theory's trainable depth, and where chi_1 passes 1, where one of the axes is the depth."""
    depth_axis = next((i for i in (a, b) if table.axes[i].keys == ("model.depth",)), None)
    if depth_axis is None:
        return
    other = b if depth_axis == a else a
    boundary = trainable_depths(table, other)
    depths = [float(label) for label in table.axes[depth_axis].labels]
    inside = (boundary > depths[0]) & (boundary < depths[-1])
    if len(depths) < 2 or depths != sorted(depths) or not inside.any():
        return
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
    _label_axes(axes, table, pair)


def profiles(table: SweepTable) -> Picture | None:
    """Gradient and signal over depth: a column of panels per value of one axis, a line per member.

    None where no member has a profile.
    """
    from matplotlib.ticker import MaxNLocator

    from gradscope.reporters.figures import style

    moment = "theory" if table.look is Look.THEORY else "init"
    with_lines = [row for row in table.rows if getattr(row.profile, f"{moment}_delta")]
    if not with_lines or not table.axes:
        return None
    facet, colored = _profile_axes(table)
    panels_by_label = groups(with_lines, [facet] if facet is not None else [])
    shown = list(panels_by_label.items())[:MOST_FACETS]
    picture = style.new_figure(max(4.5, 1.9 * len(shown)) + 1.4, 5.6)
    when = "by theory" if moment == "theory" else "as drawn"
    picture.suptitle(printable(f"{table.name}: {when}, a line per member"), x=0.01, ha="left")
    panels: Any = picture.subplots(2, len(shown), squeeze=False, sharex="col", sharey="row")
    titles = ("rms of delta over the last's", "rms of z")
    for line, (quantity, title) in enumerate(zip(("delta", "signal"), titles, strict=True)):
        values = [v for row in with_lines for v in getattr(row.profile, f"{moment}_{quantity}")]
        for axes, (key, rows) in zip(panels[line], shown, strict=True):
            _profile_panel(axes, table, rows, colored, f"{moment}_{quantity}")
            axes.grid(axis="y", color="#dddddd", lw=0.6)
            if line == 0 and facet is not None:
                label = f"{axis_name(table.axes[facet])} {key[0]}"
                axes.set_title(
                    shortened(printable(label), 30, unicode=True), loc="left", fontsize=9
                )
        style.log_axis(panels[line][0].yaxis, np.array(values, np.float64))
        panels[line][0].set_ylabel(title)
    for axes in panels[1]:
        axes.set_xlabel("hidden layer")
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    _profile_legend(picture, panels, table, colored)
    return picture


def _profile_axes(table: SweepTable) -> tuple[int | None, int]:
    """The axis of the panels, and that of the colours: the depth is best read along a line."""
    listed = [i for i, axis in enumerate(table.axes) if axis.labels]
    depth = next((i for i in listed if table.axes[i].keys == ("model.depth",)), None)
    rest = [i for i in listed if i != depth]
    if len(rest) >= 2:
        return rest[-1] if len(table.axes[rest[-1]].labels) <= MOST_FACETS else rest[0], rest[0]
    if depth is not None and rest:
        return (depth, rest[0]) if len(table.axes[depth].labels) <= MOST_FACETS else (None, rest[0])
    return None, (rest or listed or [0])[0]


def _colors(axis: SweepAxis) -> list[Any]:
    from matplotlib import colormaps

    count = max(2, len(axis.labels))
    return [colormaps["cividis"](0.95 * i / (count - 1)) for i in range(count)]


_STYLES = ("-", "--", "-.", ":")


def _profile_panel(
    axes: Axes, table: SweepTable, rows: Sequence[SweepRow], colored: int, name: str
) -> None:
    axis = table.axes[colored]
    colors = _colors(axis)
    for row in rows:
        values = np.array(getattr(row.profile, name), np.float64)
        values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
        at = axis.labels.index(row.labels[colored]) if row.labels[colored] in axis.labels else 0
        axes.plot(
            np.arange(1, len(values) + 1),
            values,
            color=colors[at],
            ls=_STYLES[at % len(_STYLES)],
            lw=1.1,
            alpha=0.9,
        )


def _profile_legend(picture: Picture, panels: Any, table: SweepTable, colored: int) -> None:
    from matplotlib.lines import Line2D

    axis = table.axes[colored]
    if not axis.labels:
        return
    colors = _colors(axis)
    step = max(1, math.ceil(len(axis.labels) / 12))
    handles = [
        Line2D(
            [],
            [],
            color=colors[i],
            ls=_STYLES[i % len(_STYLES)],
            label=shortened(printable(label), 24, unicode=True),
        )
        for i, label in enumerate(axis.labels)
        if i % step == 0
    ]
    picture.legend(
        handles=handles,
        title=printable(axis_name(axis)),
        loc="outside right upper",
        frameon=False,
        fontsize=8,
    )
