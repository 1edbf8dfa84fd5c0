"""The pictures of a sweep as files: heatmaps, the map of verdicts, profiles over depth."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from gradscope.record.sweep_table import SweepTable
from gradscope.reporters.figures import rendering
from gradscope.reporters.sweep.depth_profiles import profiles
from gradscope.reporters.sweep.heatmap import heatmaps
from gradscope.reporters.sweep.verdict_map import verdict_map

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Picture

Floats = npt.NDArray[np.float64]

CAPTIONS = {
    "heatmap": "The figure over each pair of axes, a mean over the other axes and the seeds",
    "verdicts": "The state of each member, the worst of its seeds, with the leading code",
    "profiles": "Gradient and signal over depth",
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
