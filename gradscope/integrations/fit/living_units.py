"""The units that live in some batch of several measured steps: one batch is too few samples."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from gradscope.record.run_record import Floats
from gradscope.runner.step.pass_counts import PassCounts
from gradscope.runner.step.probe_result import ProbeResult

FEW = 100
"""Samples below which those before the last look count again, as for `dead_units`."""


@dataclass
class _Window:
    """The measured batches of a stretch of training."""

    counts: PassCounts | None = None
    samples: int = 0

    def add(self, counts: PassCounts, samples: int) -> None:
        """Add a batch."""
        alone = replace(counts, z=counts.z[:0], delta=counts.delta[:0])
        self.counts = alone if self.counts is None else self.counts + alone
        self.samples += samples


@dataclass
class LivingUnits:
    """Collects the living units of measured batches from one look to the next.

    Looks come at the 1st, 2nd, 4th, 8th ... measured step, so that a look covers half of them. A
    unit that lives in one batch lives, although the weights change from one to the next.
    """

    _now: _Window = field(default_factory=_Window)
    _before: _Window = field(default_factory=_Window)

    def add(self, counts: PassCounts, samples: int) -> None:
        """Add the counts of one measured batch."""
        self._now.add(counts, samples)

    def look(self, result: ProbeResult) -> tuple[Floats, int]:
        """The dead fraction [layer] since the last look, and the samples behind it."""
        now, before = self._now, self._before
        if before.counts is not None and now.samples < FEW:
            now.add(before.counts, before.samples)
        self._before, self._now = now, _Window()
        counts = result.counts if now.counts is None else now.counts
        return replace(result, counts=counts).dead, now.samples
