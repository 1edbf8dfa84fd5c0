"""What draws cost beside the instrumented steps of the same model."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.expectation.drawn_graph import DrawnGraph
from benchmarks.expectation.graphs import GRAPHS

COUNT = 32
ROUNDS = 3
MEASURED = ("cnn_gap", "res_pre_bn", "pre_ln", "lstm", "effnet")


@dataclass(frozen=True)
class Cost:
    """Seconds of `COUNT` draws, and of as many instrumented steps; both traced before."""

    graph: str
    draws: float
    steps: float


def measure(graph: str) -> dict[str, Any]:
    """Time both in turns and keep the least of each: `Cost` in JSON's types."""
    build, data = GRAPHS[graph]
    drawn = DrawnGraph(build, data(), count=2)
    step = _instrumented_steps(drawn)
    step()
    rounds = [(_seconds(lambda: _draws(drawn)), _seconds(step)) for _ in range(ROUNDS)]
    return asdict(Cost(graph, min(r[0] for r in rounds), min(r[1] for r in rounds)))


def _draws(drawn: DrawnGraph) -> None:
    for draw in range(1, COUNT + 1):
        drawn.drawn_row(draw)


def _seconds(function: Any) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def _instrumented_steps(drawn: DrawnGraph) -> Any:
    """A function that makes `COUNT` steps of the training loop, every one measured."""
    from gradscope.runner.loop.training import Experiment

    experiment = Experiment(drawn.config, drawn.work)
    feed = experiment.feed.iterate()
    batches = [next(feed) for _ in range(COUNT)]

    def steps() -> None:
        experiment.measured_chunk(batches, 0)

    return steps
