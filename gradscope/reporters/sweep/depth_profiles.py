"""The profiles of a sweep: gradient and signal over depth, a line per member."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from gradscope.record.sweep_table import Look, SweepAxis, SweepRow, SweepTable
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.sweep.layout import (
    axis_name,
    groups,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure as Picture

Floats = npt.NDArray[np.float64]

MOST_FACETS = 8


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
