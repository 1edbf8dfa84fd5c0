"""Distributions per layer, one above the other: figures 6 and 7 of Glorot & Bengio (2010)."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator

from gradscope.record import Histogram
from gradscope.reporters.figures import style
from gradscope.reporters.figures.style import BLUE, ORANGE
from gradscope.reporters.layout.numbers import count, number
from gradscope.reporters.report import Report

_MOST_RIDGES = 40
_OVERLAP = 1.3
# Shapes are compared, each against its own largest bin; below this share a tail is not drawn.
_LOWEST = 1e-3
_PANELS = (
    ("preactivation", "Pre-activations z"),
    ("log10_abs_delta", "Gradients |delta|, log scale"),
)


def ridgelines(report: Report) -> Figure:
    """Histograms of pre-activations and log10 of delta per layer, first against last snapshot."""
    record = report.record
    layers = style.weighted(record)
    shown = [layers[i] for i in style.evenly(len(layers), _MOST_RIDGES)]
    figure = style.new_figure(9.0, 1.8 + 0.26 * max(len(shown), 6))
    panels: Any = figure.subplots(1, 2, squeeze=False, sharey=True)
    drawn: list[Histogram] = []
    for axes, (name, title) in zip(panels[0], _PANELS, strict=True):
        axes.set_title(title, loc="left")
        histogram = record.histograms.get(name)
        if histogram is None or not histogram.counts[:, shown].any():
            style.empty(axes, "no histogram was taken")
            continue
        drawn.append(histogram)
        axes.set_ylim(len(shown) - 0.6, -_OVERLAP - 0.2)
        _panel(axes, histogram, shown)
        style.layer_ticks(axes.yaxis, record, shown)
        if name == "log10_abs_delta":
            axes.xaxis.set_major_locator(FixedLocator(style.log_ticks(*axes.get_xlim())))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: number(10**x)))
    if drawn:
        _legend(figure, drawn[0])
    if len(shown) < len(layers):
        figure.suptitle(f"{len(shown)} of {len(layers)} layers shown, evenly spread", fontsize=9)
    return figure


def _panel(axes: Axes, histogram: Histogram, layers: list[int]) -> None:
    snapshots = _snapshots(histogram)
    counts = histogram.counts[snapshots][:, layers].astype(np.float64)
    heights = counts / np.maximum(counts.max(axis=2, keepdims=True), 1.0)
    visible = heights >= _LOWEST
    # One bin more on either side, so that a ridge comes down to its base and a lone bin shows.
    visible[..., 1:] |= heights[..., :-1] >= _LOWEST
    visible[..., :-1] |= heights[..., 1:] >= _LOWEST
    heights[~visible] = np.nan
    used = np.flatnonzero(np.isfinite(heights).any(axis=(0, 1)))
    first, last = max(used[0] - 1, 0), min(used[-1] + 2, heights.shape[2])
    # Limits first: without them each line would compute the limits again.
    axes.set_xlim(float(histogram.edges[first]), float(histogram.edges[last]))
    middles = (histogram.edges[1:] + histogram.edges[:-1]) / 2
    for position in range(len(layers)):
        axes.axhline(position, color="#cccccc", lw=0.6, zorder=2.0 * position)
        for snapshot in range(len(snapshots)):
            ridge = position - _OVERLAP * heights[snapshot, position]
            newest = snapshot == len(snapshots) - 1
            if newest:
                base = 2.0 * position + 0.1
                axes.fill_between(
                    middles, position, ridge, color=BLUE, alpha=0.45, lw=0, zorder=base
                )
            axes.plot(
                middles,
                ridge,
                "-" if newest else "--",
                color=BLUE if newest else ORANGE,
                lw=0.9 if newest else 1.2,
                zorder=2.0 * position + (0.2 if newest else 0.3),
            )
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    outside = int(histogram.outside[snapshots][:, layers].sum())
    if outside:
        axes.set_xlabel(f"not shown: {count(outside)} values, 0 or not finite", fontsize=7.5)


def _snapshots(histogram: Histogram) -> list[int]:
    return sorted({0, len(histogram.steps) - 1})


def _legend(figure: Figure, histogram: Histogram) -> None:
    labels = [f"step {histogram.steps[snapshot]}" for snapshot in _snapshots(histogram)]
    handles = [Line2D([], [], color=BLUE, lw=2, label=labels[-1])]
    if len(labels) > 1:
        handles.insert(0, Line2D([], [], color=ORANGE, lw=1.2, ls="--", label=labels[0]))
    figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False)
