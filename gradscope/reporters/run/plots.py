"""The figures of a run: heatmaps over steps, profiles over depth, histograms, the loss."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gradscope.record.fault import Fault
from gradscope.reporters.figures import rendering
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


def prepare() -> None:
    """Import what `draw` needs, which takes about a second."""
    with rendering.settings():
        for name in ("loss_curve", "ridgelines", "run_figures"):
            importlib.import_module(f"gradscope.reporters.figures.{name}")


def draw(report: Report, names: Sequence[str] = NAMES) -> dict[str, Figure]:
    """Every figure of `names` that the report has, by the name of its file.

    ``time_profile`` only where a recurrent layer was followed through time.
    """
    with rendering.settings():
        from gradscope.reporters.figures import loss_curve, ridgelines, run_figures

        functions: dict[str, Callable[[Report], Figure | None]] = {
            "gradient_heatmap": run_figures.heatmaps,
            "depth_profile": run_figures.profiles,
            "time_profile": run_figures.time_profiles,
            "histograms": ridgelines.ridgelines,
            "loss": loss_curve.loss,
        }
        figures = {name: functions[name](report) for name in names}
    return {name: figure for name, figure in figures.items() if figure is not None}


@dataclass(frozen=True)
class Drawn:
    """Figures as files (name -> content), and those that could not be drawn."""

    files: dict[str, bytes]
    faults: tuple[Fault, ...] = ()


def files(report: Report, names: Sequence[str] = NAMES) -> Drawn:
    """The figures of `draw` as PNG and SVG; one that fails costs no other."""
    drawn: dict[str, bytes] = {}
    faults: list[Fault] = []
    for name in names:
        try:
            drawn |= rendering.rendered(draw(report, (name,)))
        except Exception as error:  # a figure is a side line of the report
            faults.append(Fault.from_exception(f"figure {name}", error))
    return Drawn(drawn, tuple(faults))
