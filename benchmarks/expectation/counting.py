"""What is counted of one graph: how often fresh initialisations lie in the bands, and naming."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.expectation import drawn_graph
from benchmarks.expectation.drawn_graph import DrawnGraph, Limits, Start
from benchmarks.expectation.graphs import GRAPHS
from gradscope.analyzer.theory import own_weights
from gradscope.record import Role

DRAWS = 32
FAULTS = (1.5, 2.0)


@dataclass(frozen=True)
class Row:
    """One graph.

    `inside` is the share of figures in the band of one figure over all fresh seeds. `outside` holds
    for each seed how far its farthest figure is beyond the band for all figures together, in half
    widths of the band (0 where none is). `forward` and `backward` are the mean distance of the
    draws' centre from that of the fresh seeds, in ln rms. `local` are the mean of ln(rms ratio)
    over draws at the worst layer, forward and backward, over 4 standard errors. `unfaulted` is the
    number of fresh seeds in which a layer is called off. `named` and `local_named` are by factor
    the shares in which the faulted layer is the first one off, with all witnesses and with the
    local ratios alone; `misnamed` in which only others are.
    """

    graph: str
    figures: int
    seeds: int
    inside: float
    outside: tuple[float, ...]
    forward: float
    backward: float
    local: tuple[float, float]
    local_mean: tuple[float, float]
    unfaulted: int
    named: tuple[float, ...]
    local_named: tuple[float, ...]
    misnamed: tuple[int, ...]
    draws_seconds: float
    seconds: float

    def alarms(self, margin: float = 0.0) -> int:
        """In how many seeds a figure is beyond the bands of all by more than `margin`."""
        return sum(by > margin for by in self.outside)


def row_of(graph: str, seeds: int, faults: int) -> Row:
    """Draw a graph, build it `seeds` times anew, and plant each fault `faults` times."""
    started = time.perf_counter()
    build, data = GRAPHS[graph]
    drawn = DrawnGraph(build, data(), count=DRAWS)
    limits = drawn_graph.limits_of(drawn.start)
    fresh = [drawn.fresh(seed) for seed in range(1, seeds + 1)]
    values = np.stack([drawn_graph.own_figures(start) for start in fresh])
    usable = np.isfinite(limits.one[0])
    hidden = len(drawn.start.indices(Role.HIDDEN))
    away = 0.5 * np.abs(values.mean(axis=0) - limits.centre)
    forward, backward = np.nanmean(away[:hidden]), np.nanmean(away[hidden:]) if hidden > 1 else 0.0
    unfaulted = sum(bool(drawn_graph.off_names(start)) for start in fresh)
    counts = [_named(drawn, factor, faults) for factor in FAULTS]
    local, local_mean = _local(drawn.start)
    within = (values >= limits.one[0]) & (values <= limits.one[1])
    return Row(
        graph=graph,
        figures=int(usable.sum()),
        seeds=seeds,
        inside=float(within[:, usable].mean()),
        outside=tuple(_beyond(row, limits) for row in values),
        forward=float(forward),
        backward=float(backward),
        local=local,
        local_mean=local_mean,
        unfaulted=unfaulted,
        named=tuple(count[0] for count in counts),
        local_named=tuple(count[1] for count in counts),
        misnamed=tuple(int(count[2]) for count in counts),
        draws_seconds=drawn.seconds,
        seconds=time.perf_counter() - started,
    )


def _beyond(values: np.ndarray, limits: Limits) -> float:
    """How far the farthest figure is beyond its band for all together, in half widths of it."""
    low, high = limits.together
    half = 0.5 * (high - low)
    with np.errstate(all="ignore"):
        beyond = np.maximum(values - high, low - values) / half
    return max(0.0, float(np.nanmax(beyond)))


def _named(drawn: DrawnGraph, factor: float, faults: int) -> tuple[float, float, int]:
    """Shares in which the faulted layer is named first, by all and locally, and misnamed counts."""
    chosen = random.Random(3)
    kernels = [at for at, w in enumerate(drawn.start.draws.weights) if w.drawn and len(w.shape) > 1]
    named = local = misnamed = 0
    for fault in range(faults):
        at = chosen.choice(kernels)
        path = drawn.start.draws.weights[at].path

        def scaled(model: Any, at: int = at) -> None:
            model.weights[at].assign(factor * model.weights[at])

        start = drawn.fresh(10_000 + fault, scaled)
        off = drawn_graph.off_names(start)
        named += _is_first(off, path)
        misnamed += bool(off) and not any(_is_first((name,), path) for name in off)
        local += _is_first(drawn_graph.off_names(drawn_graph.without_data(start)), path)
    return named / faults, local / faults, misnamed


def _is_first(off: tuple[str, ...], path: str) -> bool:
    """Whether the first layer that is off is the one that has the weight of this path."""
    return bool(off) and off[0].split("/")[-1] in path.split("/")[:-1]


def _local(start: Start) -> tuple[tuple[float, float], tuple[float, float]]:
    """ln(rms ratio) over the draws: the worst layer's mean beyond 4 standard errors, and the mean.

    Forward, then backward.
    """
    worst, means = [], []
    for backward in (False, True):
        logs = [
            0.5 * own_weights.local_logs(start.draws, at, backward=backward)[1:]
            for at in range(len(start.draws.maps))
        ]
        usable = [rows for rows in logs if np.isfinite(rows).all()]
        if not usable:
            worst.append(0.0)
            means.append(0.0)
            continue
        beyond = [abs(rows.mean()) - 4.0 * rows.std(ddof=1) / np.sqrt(len(rows)) for rows in usable]
        worst.append(max(0.0, float(max(beyond))))
        means.append(float(np.mean([rows.mean() for rows in usable])))
    return (worst[0], worst[1]), (means[0], means[1])
