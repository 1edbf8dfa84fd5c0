"""Draws of the initial weights inside a `fit`, before its first step."""

from __future__ import annotations

from typing import Any

from gradscope.errors import BadRequest
from gradscope.integrations.fit.progress import FitProgress
from gradscope.runner.draws.measured_draws import DrawnModel, measure_draws
from gradscope.runner.draws.redraw import restored_weights
from gradscope.runner.runtime.device import without_graph_rewriting


def checked_draws(draws: int) -> int:
    """The number of draws; raises `BadRequest` for what is no number of them."""
    if isinstance(draws, bool) or not isinstance(draws, int) or draws < 0 or draws == 1:
        raise BadRequest(
            f"GradientFlow(draws={draws!r}): expected a whole number, 0 or at least 2",
            "32 gives bands of the usual width",
        )
    return draws


def measure_before_fit(fit: FitProgress, model: Any, batch: Any, count: int) -> None:
    """Draw the weights `count` times on the batch that is trained on first; nothing for 0.

    Not for a model that was trained before: its batch is not at initialisation. Weights, moving
    statistics, seeds and generators are afterwards as before, to the bit. A failure costs the
    draws, and not the fit.
    """
    if not count or not fit.untrained or fit.fit_step is None:
        return
    step = fit.fit_step
    x, y, weights = batch
    prepared = (x, step.objective.prepare(y), *(() if weights is None else (weights,)))
    with (
        fit.faults.isolated("draws of the initial weights"),
        restored_weights(model),
        without_graph_rewriting(),
    ):
        drawn = DrawnModel(model, step.sites, step.objective, model.optimizer)
        fit.builder.draws(measure_draws(drawn, [prepared], count=count))
