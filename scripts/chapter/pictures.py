"""The picture of a statement: what its runs measured, one line for each run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from gradscope.record import Role, RunRecord
from gradscope.reporters.figures import rendering, style
from scripts.chapter.statement import Floats, Panel, Records, Statement, records

_COLORS = (style.BLUE, style.ORANGE, style.GREEN, style.BLACK)
_MARKERS = "os^d"


def svg(statement: Statement) -> bytes:
    """The picture of a statement as SVG."""
    return drawn(statement.panels, {label: records(run) for label, run in statement.runs.items()})


def drawn(panels: Sequence[Panel], runs: Mapping[str, Records]) -> bytes:
    """The panels as SVG, one beside the other, with a line for each run."""
    with rendering.settings():
        figure = style.new_figure(9.0, 2.6)
        row = figure.subplots(1, len(panels), squeeze=False)[0]
        for axes, panel in zip(row, panels, strict=True):
            _draw(axes, panel, runs)
        handles, labels = row[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=len(runs), frameon=False)
    return rendering.rendered({"picture": figure})["picture.svg"]


def _draw(axes: Axes, panel: Panel, runs: Mapping[str, Records]) -> None:
    lines = {label: _values(panel, runs[label]) for label in runs}
    for (label, values), color, marker in zip(lines.items(), _COLORS, _MARKERS, strict=False):
        x = np.arange(len(values)) + (0 if panel.over == "steps" else 1)
        form = "" if len(values) > 30 else marker
        axes.plot(x, values, "-", marker=form, ms=4, color=color, lw=1.4, label=label)
    axes.set_title(panel.title, loc="left")
    axes.set_xlabel("step" if panel.over == "steps" else "hidden layer")
    axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    if panel.share:
        axes.set_ylim(-0.03, 1.03)
    else:
        style.log_axis(axes.yaxis, np.concatenate(list(lines.values())))


def _values(panel: Panel, runs: Records) -> Floats:
    """The figure over layers or steps: the geometric mean over the seeds, or that of one seed."""
    record = runs[0]
    if panel.over == "steps":
        column = np.flatnonzero(np.isfinite(record.series[panel.statistic][0]))[panel.layer]
        return record.series[panel.statistic][:, column]
    if panel.over == "layers at the end":
        rows = record.series[panel.statistic][:, _hidden(record)]
        return rows[~np.isnan(rows).all(axis=1)][-1]
    logs = [np.log(run.series[panel.statistic][0, _hidden(run)]) for run in runs]
    values: Floats = np.exp(np.mean(logs, axis=0) / 2)  # the root of a second moment
    return values / values[-1] if panel.relative else values


def _hidden(record: RunRecord) -> list[int]:
    return list(record.indices(Role.HIDDEN))
