"""How a training is divided into calls: XLA or not, steps of one call, steps of the probe set."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Iterator

from gradscope.config.experiment import ExperimentConfig
from gradscope.record import Trait
from gradscope.runner.survey.sites import SiteMap

PROBES_PER_RUN = 10
"""Measurements of the probe set per run, besides the first and last step: a forward pass each."""

_COMPILED_TRAITS = frozenset([Trait.FULLY_CONNECTED, Trait.BATCH_NORM])
COMPILED_STEPS = 25_000
"""Steps from which ``jit: auto`` compiles a small network of Dense layers. Compiling the measured
step took 4 to 6 s for 2 to 50 such layers and saved 0.2 to 0.5 ms a step (benchmarks/README.md), so
it pays between 11,000 and 20,000 steps; with fewer, graph mode is ahead."""

COMPILED_PARAMETERS = 2**18
"""Most parameters of a layer for that: at 512 x 512 the compiled step was slower, and a convolution
under XLA on a CPU is several times slower."""


def compiles(config: ExperimentConfig, sites: SiteMap, steps: int, device: str) -> bool:
    """Whether XLA compiles the training step: as configured or, for ``auto``, where it is faster.

    Only the config decides, never a measured time: XLA changes the last bits, and two runs of one
    config must not differ by the load of the machine.
    """
    requested = config.training.jit
    if requested != "auto":
        return requested == "on"
    small = all(
        _COMPILED_TRAITS & set(layer.traits) or not layer.parameters for layer in sites.layers
    ) and all(layer.parameters <= COMPILED_PARAMETERS for layer in sites.layers)
    return device == "cpu" and small and steps >= COMPILED_STEPS


class ChunkPace:
    """The number of steps of one call, so that the loop returns often enough.

    A call costs about a millisecond beside its steps, and nothing can stop it while it runs. XLA
    compiles the loop anew for every length, for seconds: where it compiles, lengths are powers of
    `BASE`, and a call that compiles does not count as a sign of the pace.
    """

    SECONDS = 0.25
    """Target of one call: half of the half second in which Ctrl-C and the progress bar react."""

    MOST = 1000

    BASE = 8
    """Four lengths up to `MOST`; a rest of 999 steps takes 17 calls."""

    def __init__(self, *, compiled: bool = False) -> None:
        self._calls = 0
        self._per_step = math.inf
        self._compiled, self._lengths = compiled, set[int]()

    def steps(self, left: int) -> int:
        """Steps of the next call: one at first (it traces) and second (it is timed)."""
        if self._calls < 2:
            return min(1, left)
        count = max(1, min(left, self.MOST, int(self.SECONDS / self._per_step)))
        length = 1
        while length * self.BASE <= count:
            length *= self.BASE
        return length if self._compiled else count

    @contextlib.contextmanager
    def timing(self, count: int) -> Iterator[None]:
        """Time a call of `count` steps."""
        started = time.perf_counter()
        yield
        self._calls += 1
        if not self._compiled or count in self._lengths:
            self._per_step = max(1e-6, (time.perf_counter() - started) / count)
        self._lengths.add(count)


def probe_steps(steps: int) -> dict[int, bool]:
    """Steps before which the probe set is measured, and whether histograms are taken there."""
    every = max(1, math.ceil(steps / PROBES_PER_RUN))
    steps_with_histogram = dict.fromkeys(range(every, steps, every), False)
    if steps:
        steps_with_histogram |= {1: True, max(1, (steps + 1) // 2): True, steps: True}
    return steps_with_histogram
