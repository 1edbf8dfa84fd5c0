"""Measure a model with its own weights and with its weights drawn again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record.initial_draws import (
    LAYER_FIGURES,
    MAP_FIGURES,
    TENSOR_FIGURES,
    TIME_FIGURES,
    WEIGHT_FIGURES,
    InitialDraws,
)
from gradscope.runner.draws.draw_pass import DrawPass
from gradscope.runner.draws.redraw import Redraw
from gradscope.runner.draws.seeded_redraw import SeededRedraw
from gradscope.runner.draws.weight_laws import WeightLaw, laws_of_built
from gradscope.runner.runtime.preserved_state import preserved_model_state
from gradscope.runner.survey.sites import SiteMap


@dataclass(frozen=True)
class DrawnModel:
    """What is measured: a model with its sites, objective and optimizer.

    `laws` are those recorded while it was made; None where it was given built. `draw_weights`
    draws the weights of gradscope's own network.
    """

    model: Any
    sites: SiteMap
    objective: Any
    optimizer: Any
    laws: Sequence[WeightLaw] | None = None
    draw_weights: Callable[[int], None] | None = None


def measure_draws(work: DrawnModel, batches: Sequence[Any], *, count: int) -> InitialDraws:
    """Measure `count` draws, each on the next of `batches`, and the model as it is on the first.

    A model whose laws were not recorded while it was made is cloned for them; gradscope's own
    network draws its weights itself. Weights, moving statistics, seeds and generators are
    afterwards as before. Without any law the result has no figures, and says why.
    """
    started = time.monotonic()
    model = work.model
    cloned = work.draw_weights is None and work.laws is None
    known = list((laws_of_built(model) if cloned else work.laws) or ())
    if not known and work.draw_weights is None:
        return InitialDraws({}, cloned=cloned, unavailable=True)
    tensors = [keras.tree.map_structure(tf.convert_to_tensor, batch) for batch in batches]
    with preserved_model_state(model):
        redraw: Any = (
            SeededRedraw(model, work.draw_weights) if work.draw_weights else Redraw(model, known)
        )
        measured = DrawPass(model, work.sites, work.objective, work.optimizer)
        rows = [[part.numpy() for part in measured.run(tensors[0])]]
        try:
            for draw in range(1, count + 1):
                redraw(draw)
                batch = tensors[draw % len(tensors)]
                rows.append([part.numpy() for part in measured.run(batch)])
        finally:
            redraw.restore()
    names = (LAYER_FIGURES, MAP_FIGURES, WEIGHT_FIGURES, TENSOR_FIGURES, TIME_FIGURES)
    parts = [np.stack(part) for part in zip(*rows, strict=True)]
    figures = {
        name: np.ascontiguousarray(part[:, at])
        for group, part in zip(names, parts, strict=True)
        for at, name in enumerate(group)
    }
    return InitialDraws(
        figures,
        weights=redraw.weights,
        maps=measured.maps,
        calls=measured.calls,
        batches=len(tensors),
        cloned=cloned,
        seconds=time.monotonic() - started,
    )
