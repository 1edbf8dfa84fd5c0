"""Timing contenders fairly: in turns, in one process, by processor time."""

from __future__ import annotations

import contextlib
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any


def _nothing() -> None:
    """Prepare a contender that needs no preparation."""


@dataclass(frozen=True)
class Contender:
    """Something that trains: `run` gives the number of steps it made, all of them finished.

    `prepare` puts the weights back, `surroundings` are entered around both; neither is timed.
    """

    name: str
    run: Callable[[], int]
    prepare: Callable[[], None] = _nothing
    surroundings: Callable[[], AbstractContextManager[Any]] = contextlib.nullcontext


@dataclass(frozen=True)
class Cost:
    """What one step cost in one round, in milliseconds."""

    cpu: float
    wall: float


Costs = dict[str, list[Cost]]


def interleave(contenders: Sequence[Contender], rounds: int) -> Costs:
    """Let every contender run once per round; the first of a round is another one each time.

    So what disturbs the machine for seconds disturbs all of them, and no one always runs last.
    """
    costs: Costs = {contender.name: [] for contender in contenders}
    for place in range(rounds):
        first = place % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            costs[contender.name].append(once(contender))
    return costs


def once(contender: Contender) -> Cost:
    """Run a contender once."""
    with contender.surroundings():
        contender.prepare()
        wall, cpu = time.perf_counter(), time.process_time()
        steps = contender.run()
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Cost(1e3 * cpu / steps, 1e3 * wall / steps)


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median and quartiles, to be written down: four digits are more than a timing holds."""
    low, median, high = statistics.quantiles(values, n=4, method="inclusive")
    return {"median": _short(median), "low": _short(low), "high": _short(high)}


def ratio(above: Sequence[float], below: Sequence[float]) -> dict[str, float]:
    """Ratio of the medians; `low` and `high` are quartiles of the rounds' ratios."""
    quartiles = spread([a / b for a, b in zip(above, below, strict=True)])
    return quartiles | {"median": _short(statistics.median(above) / statistics.median(below))}


def ratio_of(costs: Costs, of: str, to: str, device: str) -> dict[str, float]:
    """Ratio of two contenders, by processor time: on a GPU, where that waits, by wall time."""
    clock = "wall" if device == "gpu" else "cpu"
    above, below = ([getattr(cost, clock) for cost in costs[name]] for name in (of, to))
    return ratio(above, below)


def summary(costs: Costs) -> dict[str, dict[str, dict[str, float]]]:
    """Processor and wall time per step of every contender, in milliseconds."""
    return {
        name: {
            "cpu_ms": spread([cost.cpu for cost in each]),
            "wall_ms": spread([cost.wall for cost in each]),
        }
        for name, each in costs.items()
    }


def _short(value: float) -> float:
    return float(f"{value:.4g}")
