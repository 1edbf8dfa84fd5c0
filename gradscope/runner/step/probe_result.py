"""What a look at samples counted, and how the samples of one pass are counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import tensorflow as tf

from gradscope.record import Histogram
from gradscope.record.run_record import Floats
from gradscope.runner.runtime.trace_by_shape import TraceByShape
from gradscope.runner.step import pass_counts
from gradscope.runner.step.pass_counts import PassCounts, Piece
from gradscope.runner.step.sizes import known_size
from gradscope.runner.survey.sites import SiteMap

FEW_VALUES = 2**20
"""Values of z in a pass up to which it is counted without a trace.

On ten layers of 100 units a trace costs as much as 14 counts without one more than with, on a CNN
of 600,000 values as 30, on a U-Net of 10 million as one (CPU time, 2026-11-30); a training of
10,000 measured steps counts 14 times.
"""


class ProbeListener(Protocol):
    """Receives what a look counted: a record's builder, or the listener of a run."""

    def probe(self, step: int, dead_fraction: Floats) -> None:
        """Receive the dead fractions [layer]."""

    def histogram(self, name: str, snapshot: Histogram) -> None:
        """Receive one snapshot of a distribution."""


@dataclass(frozen=True)
class ProbeResult:
    """What a look at the probe set counted: the share of dead units per layer, and histograms."""

    sites: SiteMap
    counts: PassCounts

    @property
    def dead(self) -> Floats:
        """Share of dead units [layer]."""
        return pass_counts.dead_fractions(len(self.sites.layers), self.sites.sites, self.counts)

    def histograms(self, step: int) -> dict[str, Histogram]:
        """Snapshots of z and delta by name, where there was a backward pass."""
        layers = len(self.sites.layers)
        return pass_counts.histograms(layers, self.sites.sites, self.counts, step)

    def send(self, step: int, listener: ProbeListener) -> None:
        """Give the listener the dead fractions and the histograms of a look with both passes."""
        listener.probe(step, self.dead)
        self.send_histograms(step, listener)

    def send_histograms(self, step: int, listener: ProbeListener) -> None:
        """Give the listener the histograms alone."""
        for name, snapshot in self.histograms(step).items():
            listener.histogram(name, snapshot)


class PassCounter:
    """Counts z and delta of the passes of one model: at once, or in a traced function.

    A trace pays where the tensors are large: it reuses their copies.
    """

    def __init__(self, sites: SiteMap) -> None:
        self._sites = sites
        self._traced = TraceByShape(self._counts)

    def count(self, z: Sequence[Any], deltas: Sequence[Any], samples: int) -> ProbeResult:
        """Count a pass of so many samples, whose mean loss `deltas` are the gradients of."""
        small = sum(known_size(tensor) for tensor in z) <= FEW_VALUES
        counts = self._counts if small else self._traced
        counted = counts(list(z), list(deltas), tf.constant(float(samples)))
        return ProbeResult(self._sites, PassCounts.from_tensors(counted))

    def _counts(self, z: Any, deltas: Any, samples: Any) -> tuple[Any, ...]:
        return pass_counts.count_pass(self._sites.sites, z, deltas, Piece(samples, samples))
