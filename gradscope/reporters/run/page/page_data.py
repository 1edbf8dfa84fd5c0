"""What the script of a page reads: steps, names and values, as JSON that stands in the page."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from gradscope.reporters.run.page.screen import TIMES, Plot, Role, RowPlot, Screen


def page_data(screen: Screen) -> str:
    """JSON without a character that ends a script element; a figure that is not finite is null."""
    data = {
        "steps": list(screen.moments.steps),
        "resting": screen.moments.resting,
        "plots": [_plot(plot) for plot in screen.plots],
    }
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _plot(plot: Plot | RowPlot) -> dict[str, Any]:
    common = {"names": list(plot.names), "at": [round(p, 5) for p in plot.positions]}
    if isinstance(plot, RowPlot):
        rows = [{"label": row.name, "values": _values(row.values)} for row in plot.rows]
        return common | {"kind": "rows", "rows": rows, "verb": plot.verb}
    curves = [
        {
            "label": curve.label,
            "values": _values(curve.values),
            "measured": curve.role is Role.MEASURED,
        }
        for curve in plot.curves
        if curve.role is not Role.BESIDE
    ]
    return common | {
        "kind": "steps" if plot.axis else "layers",
        "share": plot.share,
        "unit": TIMES if plot.relative else "",
        "curves": curves,
        "frames": [_values(frame) for frame in plot.frames],
    }


def _values(values: Sequence[float]) -> list[float | None]:
    return [float(f"{value:.3g}") if math.isfinite(value) else None for value in values]
