"""Starts of a network without a training: its draws are traced once, and faults share the trace."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from benchmarks.expectation.drawn_graph import DrawnGraph, Start
from gradscope.record import RunRecord
from gradscope.record.initial_draws import LAYER_FIGURES
from tests.analyzer import synthetic

Fault = Callable[[Any], None]


class Starts:
    """A network that a function builds, with `draws` of its weights.

    `as_made` is the record of its own weights, ``another(fault)`` that of one draw more with a
    fault planted into it. Their statistics are those of the draws, and no others.
    """

    def __init__(self, build: Callable[[], Any], data: tuple[Any, Any], *, draws: int = 24) -> None:
        from gradscope.runner.survey.initial_weights import initial_weights

        self.graph = DrawnGraph(build, data, count=draws)
        self._weights = initial_weights(self.graph.model, self.graph.work.sites)
        self.as_made = self._record(self.graph.start)

    def another(self, fault: Fault, *, draw: int = 1) -> RunRecord:
        """The record of draw `draw` after those of the bands, with the fault in it."""
        return self._record(self.graph.another(draw, fault))

    def _record(self, start: Start) -> RunRecord:
        made = synthetic.record(start.layers, steps=0, config=synthetic.USERS)
        for name in LAYER_FIGURES:
            made.series[name][:] = start.draws.figures[name][0]
        return replace(made, draws=start.draws, initial_weights=self._weights)


def images() -> tuple[Any, Any]:
    """Small images of three colours, in three classes."""
    rng = np.random.default_rng(7)
    return rng.normal(size=(64, 8, 8, 3)).astype("float32"), rng.integers(0, 3, 64)


def sequences() -> tuple[Any, Any]:
    """Sequences of twelve steps, in three classes."""
    rng = np.random.default_rng(7)
    return rng.normal(size=(64, 12, 6)).astype("float32"), rng.integers(0, 3, 64)


def vectors(features: int = 12, samples: int = 64) -> tuple[Any, Any]:
    """Gaussian vectors, in three classes."""
    rng = np.random.default_rng(7)
    return rng.normal(size=(samples, features)).astype("float32"), rng.integers(0, 3, samples)
