"""The picture of a paper: every network over depth, measured as points and in theory dotted."""

from __future__ import annotations

import math

from gradscope.reporters.figures import rendering
from gradscope.reporters.gallery.paper_figure import PaperFigure
from gradscope.reporters.layout.numbers import number


def files(figure: PaperFigure) -> dict[str, bytes]:
    """The picture as PNG and SVG, by file name."""
    with rendering.settings():
        from matplotlib.figure import Figure
        from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

        from gradscope.reporters.figures.style import BLACK, BLUE, GREEN, ORANGE

        drawn = Figure(figsize=(7.2, 3.4), layout="constrained")
        axes = drawn.subplots()
        marks = zip((BLUE, ORANGE, GREEN, BLACK), "osD^", strict=True)
        for curve, (color, mark) in zip(figure.curves, marks, strict=False):
            at = curve.at or range(1, len(curve.measured) + 1)
            axes.plot(curve.theory_at or at, curve.theory, ":", color=color, linewidth=1.8)
            axes.plot(at, curve.measured, mark, color=color, markersize=3.6, label=curve.label)
        if figure.level is not None:
            level, words = figure.level
            axes.axhline(level, color="#555555", linewidth=0.8, zorder=0.5)
            axes.annotate(
                words,
                (1.0, level),
                (0, -3),
                ("axes fraction", "data"),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=8,
                color="#555555",
            )
        if any(math.isfinite(value) for curve in figure.curves for value in curve.theory):
            axes.plot([], [], ":", color="#555555", label="theory")
        if _decades(figure) > 1.0:
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
        counted = all(float(x).is_integer() for curve in figure.curves for x in curve.at)
        axes.xaxis.set_major_locator(MaxNLocator(integer=counted, steps=[1, 2, 5, 10]))
        axes.set_xlabel(figure.axis)
        axes.set_ylabel(figure.quantity)
        axes.grid(axis="y", color="#e2e2e2", linewidth=0.6)
        axes.legend(frameon=False, fontsize=8)
    return rendering.rendered({figure.name: drawn})


def _decades(figure: PaperFigure) -> float:
    """Decades between the smallest and the largest figure: of less than one a log axis has one
    label."""
    known = [
        value
        for curve in figure.curves
        for value in (*curve.measured, *curve.theory)
        if math.isfinite(value) and value > 0
    ]
    return math.log10(max(known) / min(known)) if known else 0.0
