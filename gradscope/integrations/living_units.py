"""Which units lived in the batches of a fit that were measured: one batch is too small to tell."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEAST_SAMPLES = 100
"""Samples over which a unit has to be silent to count as dead, where so many were measured: with
100, it fires for 3 % of all inputs at most (95 %)."""


class LivingUnits:
    """The union over measured batches: a unit that lived in one of them is alive.

    It looks back over the later half of the samples that were measured, and over 100 at least:
    what training killed before then counts as dead, and every further batch makes the rest surer.
    """

    def __init__(self) -> None:
        self._silent: npt.NDArray[np.int64] | None = None
        self._total = 0

    @property
    def samples(self) -> int:
        """How many of the latest samples `alive` speaks of."""
        return min(self._total, max(LEAST_SAMPLES, self._total // 2))

    def add(self, alive: npt.NDArray[np.bool_], samples: int) -> None:
        """Add a batch of `samples`, some of which let a gradient pass the `alive` units."""
        before = np.zeros(len(alive), np.int64) if self._silent is None else self._silent
        self._silent = np.where(alive, 0, before + samples)
        self._total += samples

    @property
    def alive(self) -> npt.NDArray[np.bool_]:
        """Which units lived in the latest `samples` samples, to a whole batch."""
        if self._silent is None:
            return np.zeros(0, bool)
        living: npt.NDArray[np.bool_] = self._silent < self.samples
        return living
