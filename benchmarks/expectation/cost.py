"""What draws cost beside the instrumented steps of the same model."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.expectation.drawn_graph import DrawnGraph
from benchmarks.expectation.graphs import GRAPHS

COUNT = 32
AT_ONCE, ROUNDS = 8, 6
"""Short rounds in turns, of which the least counts."""


@dataclass(frozen=True)
class Cost:
    """CPU seconds of `COUNT` draws, and of as many instrumented steps; both traced before.

    `trace` is the CPU time of tracing the redraw, with three draws. What other processes do on the
    machine is in none of them.
    """

    graph: str
    draws: float
    steps: float
    trace: float


def measure(graph: str) -> dict[str, Any]:
    """Time both in turns and keep the least of each: `Cost` in JSON's types."""
    build, data = GRAPHS[graph]
    drawn = DrawnGraph(build, data(), count=1)
    step = _instrumented_steps(drawn)
    step()
    rounds = [(_seconds(lambda: _draws(drawn)), _seconds(step)) for _ in range(ROUNDS)]
    draws, steps = (min(each) * COUNT / AT_ONCE for each in zip(*rounds, strict=True))
    return asdict(Cost(graph, draws, steps, drawn.trace))


def _draws(drawn: DrawnGraph) -> None:
    for draw in range(1, AT_ONCE + 1):
        drawn.drawn_row(draw)


def _seconds(function: Any) -> float:
    started = time.process_time()
    function()
    return time.process_time() - started


def _instrumented_steps(drawn: DrawnGraph) -> Any:
    """A function that makes `AT_ONCE` steps of the training loop, every one measured."""
    from gradscope.runner.loop.training import Experiment

    experiment = Experiment(drawn.config, drawn.work)
    feed = experiment.feed.iterate()
    batches = [next(feed) for _ in range(AT_ONCE)]

    def steps() -> None:
        experiment.measured_chunk(batches, 0)

    return steps
