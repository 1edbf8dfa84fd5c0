"""The loss and the accuracy over the recorded steps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from gradscope.record import RunRecord
from gradscope.reporters.figures import style
from gradscope.reporters.figures.style import BLACK, BLUE, ORANGE, Floats
from gradscope.reporters.report import Report


def loss(report: Report) -> Figure:
    """The loss of the training batches and, for classes, their accuracy."""
    record = report.record
    figure = style.new_figure(9.0, 3.6)
    axes = figure.subplots()
    values, accuracy = record.scalars["loss"], record.scalars["accuracy"]
    finite = np.isfinite(values)
    if not finite.any():
        style.empty(axes, "no finite loss was recorded")
        return figure
    # Clipped, so that the span is finite in float64.
    shown = np.clip(np.where(finite, values, np.nan), -1e300, 1e300)
    marker = "o" if len(values) < 30 else ""
    lines = axes.plot(record.steps, shown, "-", marker=marker, ms=3, color=BLUE, lw=1.2)
    labels = ["loss"]
    axes.set_xlabel("step")
    axes.set_ylabel("loss")
    if np.nanmin(shown) > 0 and np.nanmax(shown) / np.nanmin(shown) > 100:
        style.log_axis(axes.yaxis, shown)
    if len(values) == 1:
        axes.set_xticks(record.steps)
    else:
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True))
    if np.isfinite(accuracy).any():
        lines += _accuracy(axes, record, accuracy, marker)
        labels.append("accuracy of the batch")
    axes.legend(lines, labels, loc="lower left", bbox_to_anchor=(0, 1), ncols=2, frameon=False)
    if not finite.all():
        first = record.steps[np.flatnonzero(~finite)[0]]
        axes.axvline(float(first), color=BLACK, lw=1.0, ls=":")
        note = f"loss not finite from step {first} (dotted line)"
        axes.text(1.0, 1.01, note, transform=axes.transAxes, ha="right", va="bottom")
    return figure


def _accuracy(axes: Axes, record: RunRecord, accuracy: Floats, marker: str) -> list[Line2D]:
    other = axes.twinx()
    other.spines["right"].set_visible(True)
    other.set_ylabel("accuracy of the batch")
    other.set_ylim(0.0, 1.0)
    return other.plot(record.steps, accuracy, "--", marker=marker, ms=3, color=ORANGE, lw=1.2)
