"""Contenders that run for about the same time, whatever their steps cost."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from benchmarks import timing
from benchmarks.timing import Contender

FEWEST, MOST = 3, 500


def paced(
    name: str, train: Callable[[int], None], seconds: float, prepare: Callable[[], None]
) -> Contender:
    """A contender that calls ``train(steps)`` with as many steps as take about `seconds`.

    The first call, which may trace, is not what the pace is taken from.
    """
    train(FEWEST)
    started = time.perf_counter()
    train(FEWEST)
    per_step = (time.perf_counter() - started) / FEWEST
    steps = max(FEWEST, min(MOST, round(seconds / per_step)))

    def run() -> int:
        train(steps)
        return steps

    return Contender(name, run, prepare)


def compared(plain: Contender, with_it: Contender, rounds: int, device: str) -> dict[str, Any]:
    """Time a loop without and with a tool in turns."""
    costs = timing.interleave([plain, with_it], rounds)
    return {
        "contenders": timing.summary(costs),
        "ratio": timing.ratio_of(costs, with_it.name, plain.name, device),
    }
