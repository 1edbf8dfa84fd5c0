"""What is counted of one graph: how often fresh initialisations lie in the bands, and naming."""

from __future__ import annotations

import random
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from benchmarks.expectation import drawn_graph
from benchmarks.expectation.drawn_graph import LEVEL, DrawnGraph, Limits, Start
from benchmarks.expectation.graphs import GRAPHS
from benchmarks.memory import peak_mib
from gradscope.record import Role
from gradscope.theory.local_rule import local_logs
from gradscope.theory.student_t import quantile

DRAWS, FEWER = 32, 16
FAULTS = (1.5, 2.0)


@dataclass(frozen=True)
class Row:
    """One graph.

    `inside` is the share of figures in the band of one figure over all fresh seeds, `inside_fewer`
    in that of the first `FEWER` draws. `farthest` holds for each seed its figure farthest from its
    centre, as Student's t. `forward` and `backward` are the mean distance of the draws' centre from
    that of the fresh seeds, in ln rms. `local` are the mean of ln(rms ratio) over draws at the
    worst layer, forward and backward, less 4 standard errors. `unfaulted` is the number of fresh
    seeds in which a layer is called off. `named` are by factor the shares of `faults` in which the
    faulted layer is the first one off, with all witnesses; `local_named` with the local ratios
    alone, of the `local_faults` whose kernel has one; `misnamed` in which only others are.
    `peak_gib` is the most memory that the process held; None in rows counted before it was kept.
    """

    graph: str
    figures: int
    seeds: int
    inside: float
    inside_fewer: float
    farthest: tuple[float, ...]
    forward: float
    backward: float
    local: tuple[float, float]
    local_mean: tuple[float, float]
    unfaulted: int
    faults: int
    local_faults: int
    named: tuple[float, ...]
    local_named: tuple[float, ...]
    misnamed: tuple[int, ...]
    draws_seconds: float
    seconds: float
    peak_gib: float | None = None

    def alarms(self, margin: float = 0.0, level: float = LEVEL) -> int:
        """In how many seeds a figure is beyond the bands of all figures together.

        By more than `margin`, in half widths of such a band.
        """
        end = quantile((1.0 - level) / self.figures, DRAWS - 1)
        return sum(t > (1.0 + margin) * end for t in self.farthest)


def measure(graph: str, seeds: int, faults: int) -> dict[str, Any]:
    """The row of a graph in JSON's types."""
    return asdict(row_of(graph, seeds, faults))


def row_of(graph: str, seeds: int, faults: int) -> Row:
    """Draw a graph, build it `seeds` times anew, and plant each fault `faults` times."""
    started = time.perf_counter()
    build, data = GRAPHS[graph]
    drawn = DrawnGraph(build, data(), count=DRAWS)
    limits = drawn_graph.limits_of(drawn.start)
    fresh = [drawn.fresh(seed) for seed in range(1, seeds + 1)]
    values = np.stack([drawn_graph.own_figures(start) for start in fresh])
    usable = np.isfinite(limits.unit)
    hidden = len(drawn.start.indices(Role.HIDDEN))
    away = 0.5 * np.abs(values.mean(axis=0) - limits.centre)
    forward, backward = np.nanmean(away[:hidden]), np.nanmean(away[hidden:]) if hidden > 1 else 0.0
    unfaulted = sum(bool(drawn_graph.off_names(start)) for start in fresh)
    counts = [_named(drawn, factor, faults) for factor in FAULTS]
    local, local_mean = _local(drawn.start)
    with np.errstate(all="ignore"):
        distances = np.abs(values - limits.centre) / limits.unit
    return Row(
        graph=graph,
        figures=int(usable.sum()),
        seeds=seeds,
        inside=_inside(values, limits),
        inside_fewer=_inside(values, drawn_graph.limits_of(drawn.start, FEWER)),
        farthest=tuple(np.nanmax(distances, axis=1).tolist()),
        forward=float(forward),
        backward=float(backward),
        local=local,
        local_mean=local_mean,
        unfaulted=unfaulted,
        faults=faults,
        local_faults=counts[0][3],
        named=tuple(count[0] for count in counts),
        local_named=tuple(count[1] for count in counts),
        misnamed=tuple(int(count[2]) for count in counts),
        draws_seconds=drawn.seconds,
        seconds=time.perf_counter() - started,
        peak_gib=peak_mib() / 1024,
    )


def _inside(values: np.ndarray, limits: Limits) -> float:
    """The share of the figures of all seeds in the band of one figure."""
    low, high = limits.ends
    usable = np.isfinite(limits.unit)
    return float(((values >= low) & (values <= high))[:, usable].mean())


def _named(drawn: DrawnGraph, factor: float, faults: int) -> tuple[float, float, int, int]:
    """Shares in which the faulted layer is named first, by all and locally, and two counts.

    The counts are of faults that are misnamed, and of those that local ratios can show.

    A kernel that acts inside a loop has no local ratio.
    """
    chosen = random.Random(3)
    kernels = [at for at, w in enumerate(drawn.start.draws.weights) if w.drawn and len(w.shape) > 1]
    mapped = {at for item in drawn.start.draws.maps for at in item.weights}
    named = local = misnamed = tried = 0
    for fault in range(faults):
        at = chosen.choice(kernels)
        path = drawn.start.draws.weights[at].path

        def scaled(model: Any, at: int = at) -> None:
            model.weights[at].assign(factor * model.weights[at])

        start = drawn.another(1 + fault, scaled)
        off = drawn_graph.off_names(start)
        named += is_first(off, path)
        misnamed += bool(off) and not any(is_first((name,), path) for name in off)
        if at in mapped:
            tried += 1
            local += is_first(drawn_graph.off_names(drawn_graph.without_data(start)), path)
    return named / faults, local / max(1, tried), misnamed, tried


def is_first(off: tuple[str, ...], path: str) -> bool:
    """Whether the first layer that is off is the one that has the weight of this path."""
    return bool(off) and off[0].split("/")[-1] in path.split("/")[:-1]


def _local(start: Start) -> tuple[tuple[float, float], tuple[float, float]]:
    """ln(rms ratio) over the draws: the worst layer's mean beyond 4 standard errors, and the mean.

    Forward, then backward.
    """
    worst, means = [], []
    for backward in (False, True):
        logs = [
            0.5 * local_logs(start.draws, at, backward=backward)[1:]
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
