"""Architectures that took no part in the design: false alarms, and planted faults by name."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.expectation import drawn_graph
from benchmarks.expectation.architectures import ARCHITECTURES
from benchmarks.expectation.counting import DRAWS, is_first
from benchmarks.expectation.drawn_graph import DrawnGraph
from benchmarks.memory import peak_mib
from gradscope.analyzer.detectors.initialization.departed_weights import departed_weights

STDDEV = 0.05
"""That of Keras's `random_normal`, which is planted in the place of a kernel's own initializer."""

SMALLEST = float(inspect.signature(departed_weights).parameters["threshold"].default)
"""Factor on the rms below which GS406 says nothing."""


@dataclass(frozen=True)
class Unseen:
    """One architecture, healthy by its own design.

    Of `seeds` fresh initialisations `failed` make `gradscope check` without a baseline fail, of one
    seed each, and in `warned` GS406 calls a layer off. `doubled` of `kernels` are the first one off
    when they are multiplied by 2, `redrawn` of `other_law` when they are drawn by `random_normal`;
    those that it draws of the same size are left out.
    """

    name: str
    figures: int
    seeds: int
    failed: int
    warned: int
    kernels: int
    doubled: int
    other_law: int
    redrawn: int
    seconds: float
    peak_gib: float


def measure(name: str, seeds: int) -> dict[str, Any]:
    """Count one architecture: `Unseen` in JSON's types."""
    started = time.perf_counter()
    build, data = ARCHITECTURES[name]
    graph = DrawnGraph(build, data(), count=DRAWS)
    fresh = [graph.fresh(seed) for seed in range(1, seeds + 1)]
    doubled = list(_named(graph, lambda values: 2.0 * values))
    rng = np.random.default_rng(0)
    redrawn = list(_named(graph, lambda values: rng.normal(0.0, STDDEV, values.shape), other=True))
    return asdict(
        Unseen(
            name=name,
            figures=int(np.isfinite(drawn_graph.limits_of(graph.start).unit).sum()),
            seeds=seeds,
            failed=sum(map(drawn_graph.check_fails, fresh)),
            warned=sum(bool(drawn_graph.off_names(start, SMALLEST)) for start in fresh),
            kernels=len(doubled),
            doubled=sum(doubled),
            other_law=len(redrawn),
            redrawn=sum(redrawn),
            seconds=time.perf_counter() - started,
            peak_gib=peak_mib() / 1024,
        )
    )


def _named(
    graph: DrawnGraph, change: Callable[[Any], Any], *, other: bool = False
) -> Iterator[bool]:
    """Whether each kernel is the first one off when it is changed; with `other` of those that
    another law draws of another size."""
    draws = graph.start.draws
    sizes = np.sqrt(draws.figures["weight_second_moment"][1:].mean(axis=0))
    for at, weight in enumerate(draws.weights):
        factor = max(STDDEV / sizes[at], sizes[at] / STDDEV) if sizes[at] > 0 else np.inf
        if not weight.drawn or len(weight.shape) < 2 or (other and factor <= SMALLEST):
            continue

        def changed(model: Any, at: int = at) -> None:
            model.weights[at].assign(change(np.array(model.weights[at])))

        start = graph.another(1 + at, changed)
        yield is_first(drawn_graph.off_names(start, SMALLEST), weight.path)
