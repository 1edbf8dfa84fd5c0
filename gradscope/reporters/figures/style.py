"""Colours, layer ticks and log axes of the figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from gradscope.analyzer.curves.depth_profile import relative_delta
from gradscope.record import RunRecord
from gradscope.reporters.layout.lines import shortened
from gradscope.reporters.layout.numbers import number
from gradscope.reporters.layout.sanitizing import printable

Floats = npt.NDArray[np.float64]

# Palette of Okabe and Ito (2008): distinct with any colour vision and in grey.
BLUE, ORANGE, GREEN, BLACK = "#0072B2", "#E69F00", "#009E73", "#000000"
GREY = "#7f7f7f"
MISSING = "not measured or not finite"
MOST_TICKS = 25
MOST_LAYERS = 200
_LONGEST_LABEL = 20


def rms(record: RunRecord, quantity: str) -> Floats:
    """``signal`` (rms of z) or ``gradient`` (rms of delta over the reference's)."""
    if quantity == "gradient":
        return relative_delta(record)
    values: Floats = np.sqrt(record.series["preactivation_second_moment"])
    return np.where(np.isfinite(values), values, np.nan)


def weighted(record: RunRecord) -> list[int]:
    """Indices of hidden and output layers, measured or not, in depth order."""
    return [layer.index for layer in record.layers if layer.weighted]


def evenly(count: int, most: int) -> list[int]:
    """At most `most` of `count` positions, evenly spread, both ends among them."""
    if count <= most:
        return list(range(count))
    return sorted({round(i * (count - 1) / (most - 1)) for i in range(most)})


def layer_ticks(axis: Any, record: RunRecord, layers: Sequence[int]) -> list[str]:
    """Label the positions 0, 1, .. of `axis` with names of `layers`, at most `MOST_TICKS`."""
    positions = evenly(len(layers), MOST_TICKS)
    names = [printable(record.layers[layers[position]].name) for position in positions]
    labels = [shortened(name, _LONGEST_LABEL, unicode=True) for name in names]
    axis.set_ticks(positions, labels=labels)
    return labels


def log_axis(axis: Any, values: Floats) -> bool:
    """Set a log axis for the finite positive `values`; False where there are none."""
    positive = values[np.isfinite(values) & (values > 0)]
    if not positive.size:
        return False
    low, high = log_limits(np.log10(positive))
    axis.axes.set_yscale("log")
    axis.axes.set_ylim(10**low, 10**high)
    axis.set_major_locator(FixedLocator([10**exponent for exponent in log_ticks(low, high)]))
    axis.set_major_formatter(FuncFormatter(lambda value, _: number(value)))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())
    return True


def log_limits(logs: Floats) -> tuple[float, float]:
    """The ends of a log axis, as exponents: at least 1.4 decades, so that noise stays small."""
    low, high = float(logs.min()), float(logs.max())
    middle, half = (low + high) / 2, max((high - low) / 2 * 1.05, 0.7)
    # Ticks beyond float64 would overflow.
    return max(middle - half, -307.0), min(middle + half, 307.0)


def log_ticks(low: float, high: float) -> list[float]:
    """Exponents to label: 1, 2 and 5 times the decades of a short axis, some decades of a long."""
    decades = range(int(np.floor(low)), int(np.ceil(high)) + 1)
    if high - low <= 3:
        ticks = [decade + float(np.log10(step)) for decade in decades for step in (1, 2, 5)]
    else:
        stride = -(-len(decades) // 8)
        ticks = [float(decade) for decade in decades if decade % stride == 0]
    return [tick for tick in ticks if low <= tick <= high]


def hatched(axes: Axes) -> None:
    """A background for missing values, distinct from every colour of the map."""
    axes.add_patch(
        Rectangle(
            (0, 0),
            1,
            1,
            transform=axes.transAxes,
            facecolor="#e8e8e8",
            edgecolor="#8a8a8a",
            hatch="////",
            linewidth=0,
            zorder=-1,
        )
    )


def empty(axes: Axes, text: str) -> None:
    """Write in the middle of the axes why they are empty."""
    axes.set_xticks([])
    axes.set_yticks([])
    hatched(axes)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 4.0}
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", bbox=box)


def new_figure(width: float, height: float) -> Figure:
    """A figure with constrained layout, of limited height."""
    return Figure(figsize=(width, min(height, 40.0)), layout="constrained")
