"""One graph with its draws, and fresh initialisations of it measured by the same pass."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np

from gradscope.analyzer.theory import own_weights
from gradscope.analyzer.theory.drawn_expectation import drawn_prediction
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Status
from gradscope.gate.checks import theory_check
from gradscope.record import InitialDraws, LayerInfo, Role, RunRecord
from gradscope.record.initial_draws import (
    LAYER_FIGURES,
    MAP_FIGURES,
    TENSOR_FIGURES,
    TIME_FIGURES,
    WEIGHT_FIGURES,
)
from gradscope.theory.student_t import quantile

LEVEL = 0.99
BATCH = 32
_GROUPS = (LAYER_FIGURES, MAP_FIGURES, WEIGHT_FIGURES, TENSOR_FIGURES, TIME_FIGURES)
_STRIDE = 7919
"""Between the seeds of one graph's fresh initialisations: a prime."""


@dataclass(frozen=True)
class Start:
    """Layers and draws as a record has them, which is all that the bands need."""

    layers: tuple[LayerInfo, ...]
    draws: InitialDraws

    def indices(self, *roles: Role) -> tuple[int, ...]:
        """As `RunRecord.indices`."""
        return tuple(x.index for x in self.layers if x.role in roles and x.measured)

    @property
    def record(self) -> RunRecord:
        """Itself, where a record is asked for."""
        return cast(RunRecord, self)


class DrawnGraph:
    """A graph built once and drawn `count` times; `fresh(seed)` builds it anew by its factory.

    The weights of a fresh one are put into the first, so that one trace measures all of them.
    """

    def __init__(
        self, build: Callable[[], Any], data: tuple[Any, Any], *, count: int, seed: int = 0
    ) -> None:
        import keras
        import tensorflow as tf

        from gradscope.runner.draws.draw_pass import DrawPass
        from gradscope.runner.draws.redraw import Redraw
        from gradscope.runner.draws.weight_laws import recorded_laws
        from gradscope.runner.network import workload
        from gradscope.workflows.measuring.inputs import config_for

        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        self._build, self._count = build, count
        with recorded_laws() as laws:
            self.model = build()
            self.model.compile("sgd", "sparse_categorical_crossentropy")
            training = {"batch_size": BATCH, "steps": 1000, "draws": 0}
            self.config = config_for({"training": training}, self.model, data)
            self.work = workload.from_model(self.config, self.model, data)
        goal = self.work.objective
        feed = self.work.feed.iterate()
        prepared = [(x, goal.prepare(y)) for x, y, _ in (next(feed) for _ in range(16))]
        self._batches = [keras.tree.map_structure(tf.convert_to_tensor, b) for b in prepared]
        self.measured = DrawPass(self.model, self.work.sites, goal, self.work.optimizer)
        started = time.process_time()
        self.redraw = Redraw(self.model, laws.of_weights(self.model.weights))
        self.trace = time.process_time() - started
        self._own = self._row(0)
        started = time.perf_counter()
        drawn = [self.drawn_row(draw) for draw in range(1, count + 1)]
        self.seconds = time.perf_counter() - started
        self.redraw.restore()
        self._rows = drawn
        self.start = self.start_of(self._own)

    def _row(self, batch: int) -> tuple[Any, ...]:
        parts = self.measured.run(self._batches[batch % len(self._batches)])
        return tuple(part.numpy() for part in parts)

    def drawn_row(self, draw: int) -> tuple[Any, ...]:
        """The figures of one draw."""
        self.redraw(draw)
        return self._row(draw)

    def start_of(self, own: tuple[Any, ...]) -> Start:
        """The draws with `own` figures in the place of the model's."""
        parts = [np.stack(part) for part in zip(own, *self._rows, strict=True)]
        figures = {
            name: np.ascontiguousarray(part[:, at])
            for group, part in zip(_GROUPS, parts, strict=True)
            for at, name in enumerate(group)
        }
        draws = InitialDraws(
            figures,
            weights=self.redraw.weights,
            maps=self.measured.maps,
            calls=self.measured.calls,
            batches=len(self._batches),
            seconds=self.seconds,
        )
        return Start(tuple(self.work.sites.layers), draws)

    def fresh(self, seed: int, fault: Callable[[Any], None] | None = None) -> Start:
        """A fresh initialisation by the factory, with a fault planted into the model if given.

        Keras takes the seeds of initializers from Python's generator. TensorFlow's own seed is left
        alone: to set it drops all compiled functions.
        """
        random.seed(1 + _STRIDE * seed)
        other = self._build()
        self.model.set_weights(other.get_weights())
        if fault is not None:
            fault(self.model)
        return self.start_of(self._row(seed))

    def another(self, draw: int, fault: Callable[[Any], None]) -> Start:
        """A draw beyond those of the bands in the place of the model, with a fault planted."""
        self.redraw(self._count + draw)
        fault(self.model)
        return self.start_of(self._row(draw))


def own_figures(start: Start) -> np.ndarray:
    """ln of the second moments of z, then of delta over the last hidden layer's, of the model."""
    hidden = list(start.indices(Role.HIDDEN))
    return _figures(start.draws, hidden, 0)


def _figures(draws: InitialDraws, hidden: Sequence[int], row: int) -> np.ndarray:
    with np.errstate(all="ignore"):
        z = np.log(draws.figures["preactivation_second_moment"][row, hidden])
        delta = np.log(draws.figures["delta_second_moment"][row, hidden])
    return np.concatenate([z, delta[:-1] - delta[-1]])


@dataclass(frozen=True)
class Limits:
    """Centres of the bands of the same figures, their ends, and half of them over Student's t.

    NaN where a figure has no band.
    """

    centre: np.ndarray
    ends: tuple[np.ndarray, np.ndarray]
    unit: np.ndarray


def limits_of(start: Start, draws: int | None = None) -> Limits:
    """The bands that the report shows, by `drawn_prediction`; of the first `draws` of all draws."""
    if draws is not None:
        figures = {name: rows[: 1 + draws] for name, rows in start.draws.figures.items()}
        start = Start(start.layers, replace(start.draws, figures=figures))
    prediction = drawn_prediction(start.record)
    assert prediction is not None
    hidden = len(start.indices(Role.HIDDEN))
    bands = [prediction.preactivation_band, prediction.delta_band]
    kept = (slice(0, hidden), slice(0, hidden - 1))
    pairs = [(band, at) for band, at in zip(bands, kept, strict=True) if band is not None]
    deviation = np.concatenate([band.deviation[at] for band, at in pairs])
    usable = np.isfinite(deviation) & (deviation > 1e-3)
    ends = [band.limits(level=LEVEL) for band, _ in pairs]
    low, high = (
        np.concatenate([np.log(end[side][at]) for end, (_, at) in zip(ends, pairs, strict=True)])
        for side in (0, 1)
    )
    low, high = np.where(usable, low, np.nan), np.where(usable, high, np.nan)
    centre = np.concatenate([band.centre[at] for band, at in pairs])
    return Limits(
        centre, (low, high), 0.5 * (high - low) / quantile(1.0 - LEVEL, pairs[0][0].draws - 1)
    )


def check_fails(start: Start) -> bool:
    """Whether `gradscope check` of this one seed fails without a baseline."""
    figures = {
        "signal": start.draws.figures["preactivation_second_moment"][:1],
        "delta": start.draws.figures["delta_second_moment"][:1],
    }
    with np.errstate(all="ignore"):
        initial = {quantity: np.log(values) for quantity, values in figures.items()}
    statistics = SimpleNamespace(layers=start.layers, seeds=(0,), initial=initial)
    checked = theory_check.check(cast(SeedStatistics, statistics), drawn_prediction(start.record))
    return checked.status is Status.FAILED


def off_names(start: Start, threshold: float = 1.0) -> tuple[str, ...]:
    """The layers whose own weights are off by more than a factor, the culprit first."""
    ratios = own_weights.off_layers(start.record)
    large = [r for r in ratios if max(r.factor, 1.0 / max(r.factor, 1e-30)) > threshold]
    return tuple(dict.fromkeys(ratio.name for ratio in large))


def without_data(start: Start) -> Start:
    """The same, with sizes hidden: local ratios alone name what they can."""
    figures = dict(start.draws.figures)
    figures["weight_second_moment"] = figures["weight_second_moment"].copy()
    figures["weight_second_moment"][0] = figures["weight_second_moment"][1:].mean(axis=0)
    return Start(start.layers, replace(start.draws, figures=figures))
