"""Pictures of the synthetic reports, each drawn once for all tests."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any
from unittest import mock

from gradscope.reporters.figures import rendering
from gradscope.reporters.report import Report
from gradscope.reporters.run import plots
from tests.reporters import fixtures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@cache
def drawn(name: str) -> dict[str, Figure]:
    return plots.draw(fixtures.REPORTS[name]())


def alone(name: str, report: Report) -> Any:
    """One figure alone, by its function's name, in the settings in which all are drawn."""
    with rendering.settings():
        from gradscope.reporters.figures import loss_curve, run_figures

        module = loss_curve if name == "loss" else run_figures
        return getattr(module, name)(report)


def render_quickly(figures: Mapping[str, Figure]) -> dict[str, bytes]:
    """The files, their pixels coarse."""
    with mock.patch.object(rendering, "_DPI", 30):
        return rendering.rendered(figures)


@cache
def files(name: str) -> dict[str, bytes]:
    """Files of two figures, of the hostile report of one: all take their names alike."""
    figures = ("depth_profile",) if name == "nasty" else ("gradient_heatmap", "histograms")
    return render_quickly({figure: drawn(name)[figure] for figure in figures})
