"""What a look at samples counted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gradscope.record import Histogram
from gradscope.record.run_record import Floats
from gradscope.runner.step import pass_counts
from gradscope.runner.step.pass_counts import PassCounts
from gradscope.runner.survey.sites import SiteMap


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
