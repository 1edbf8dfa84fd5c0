"""The pictures of a run: heatmaps over steps, profiles over depth, histograms, the loss.

Drawn without a display and without pyplot, so that a program's own figures and settings are left
alone; the same report gives the same bytes.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradscope.reporters.report import Report

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NAMES = ("gradient_heatmap", "depth_profile", "time_profile", "histograms", "loss")
CAPTIONS = {
    "gradient_heatmap": "Gradient and signal of every layer at every recorded step.",
    "depth_profile": "Signal and gradient over depth at the first, the middle and the last step.",
    "time_profile": "Gradient of a recurrent layer's state at each time step it reads.",
    "histograms": "Distributions of pre-activations and of gradients per layer.",
    "loss": "Loss and accuracy of the training batches.",
}
_DPI = 150
_SETTINGS: dict[str, Any] = {
    "text.parse_math": False,
    "axes.formatter.use_mathtext": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "gradscope",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
    "figure.facecolor": "white",
}


def prepare() -> None:
    """Import what `draw` needs, which takes most of a second."""
    with settings():
        importlib.import_module("gradscope.reporters.figures.run_figures")
        importlib.import_module("gradscope.reporters.figures.ridgelines")


def draw(report: Report) -> dict[str, Figure]:
    """Every figure of the report, by the name of its file.

    ``time_profile`` only where a recurrent layer was followed through time.
    """
    with settings():
        from gradscope.reporters.figures import ridgelines, run_figures

        figures = {
            "gradient_heatmap": run_figures.heatmaps(report),
            "depth_profile": run_figures.profiles(report),
            "time_profile": run_figures.time_profiles(report),
            "histograms": ridgelines.ridgelines(report),
            "loss": run_figures.loss(report),
        }
    return {name: figure for name, figure in figures.items() if figure is not None}


def save(figures: Mapping[str, Figure], folder: Path) -> list[Path]:
    """Write each figure as PNG and SVG into `folder`, which is made; gives the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name, content in rendered(figures).items():
        path = folder / name
        path.write_bytes(content)
        paths.append(path)
    return paths


def rendered(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """File name -> content, for a caller that writes the files itself."""
    files: dict[str, bytes] = {}
    with settings():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.backends.backend_svg import FigureCanvasSVG

        for name, figure in figures.items():
            # Laid out once for both; savefig would do it again for each, and draw each twice.
            figure.set_dpi(_DPI)
            layout = figure.get_layout_engine()
            if layout is not None:
                layout.execute(figure)
            figure.set_layout_engine("none")
            png, svg = io.BytesIO(), io.BytesIO()
            FigureCanvasAgg(figure).print_png(  # type: ignore[no-untyped-call]
                png, metadata={"Software": None}
            )
            FigureCanvasSVG(figure).print_svg(  # type: ignore[no-untyped-call]
                svg, metadata={"Date": None, "Creator": None}
            )
            files |= {f"{name}.png": png.getvalue(), f"{name}.svg": svg.getvalue()}
    return files


@contextmanager
def settings() -> Iterator[None]:
    """Matplotlib with its own defaults and ours, whatever the user's settings are."""
    style = _style_module()
    with warnings.catch_warnings(), style.context(["default", _SETTINGS]):
        # A name in a script that the font lacks shows boxes in PNG; SVG leaves it to the reader.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def _style_module() -> Any:
    try:
        return importlib.import_module("matplotlib.style")
    except ValueError:
        # MPLBACKEND names no backend: irrelevant here, but it breaks the import.
        chosen = os.environ.pop("MPLBACKEND", None)
        if chosen is None:
            raise
        for name in [name for name in sys.modules if name.split(".")[0] == "matplotlib"]:
            del sys.modules[name]
        try:
            return importlib.import_module("matplotlib.style")
        finally:
            os.environ["MPLBACKEND"] = chosen
