"""Write figures as PNG and SVG, without a display, without pyplot and in fixed settings.

The figures and settings of a calling program do not change; equal figures give equal bytes.
"""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

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
    """Matplotlib with its defaults and ours, independent of the user's settings."""
    style = _style_module()
    with warnings.catch_warnings(), style.context(["default", _SETTINGS]):
        # A character missing in the font is a box in PNG; in SVG the viewer chooses the font.
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
