"""What a look at samples counted."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.record import Histogram
from gradscope.record.run_record import Floats
from gradscope.runner.step import pass_counts
from gradscope.runner.step.pass_counts import PassCounts
from gradscope.runner.survey.sites import SiteMap


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
