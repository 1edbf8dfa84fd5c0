"""Whether targets come in random order: how much they vary within a batch, over all batches."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from gradscope.record import TargetOrder
from gradscope.record.run_record import Floats

FEWEST_SAMPLES = 4
"""Samples of a batch from which its variance tells something."""

FEWEST_BATCHES = 8
"""Batches from which the variance between them does."""

MOST_VALUES = 256
"""Target values of a sample that are looked at: the first ones of a mask or a sequence."""


class BatchTargets:
    """Collects means and variances of the targets of batches of one shape."""

    def __init__(self) -> None:
        self._means: list[Floats] = []
        self._variances: list[Floats] = []
        self._shape: tuple[int, ...] | None = None

    def add(self, y: Any) -> None:
        """Add the targets of one batch; of several arrays, none at all, or of text, nothing."""
        leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(y) if leaf is not None]
        if len(leaves) != 1 or leaves[0].dtype.kind not in "fiub" or not leaves[0].ndim:
            return
        if self._shape is None:
            self._shape = leaves[0].shape
        if leaves[0].shape != self._shape or self._shape[0] < FEWEST_SAMPLES:
            return
        flat: npt.NDArray[np.float64] = leaves[0].reshape(self._shape[0], -1)[:, :MOST_VALUES]
        flat = flat.astype(np.float64)
        self._means.append(flat.mean(axis=0))
        self._variances.append(flat.var(axis=0, ddof=1))

    def order(self) -> TargetOrder | None:
        """The share of the variance that lies within batches; None where too few were added.

        An analysis of variance with one random factor: the means of batches in random order vary by
        the variance within them over their size, what goes beyond lies between them.
        """
        if len(self._means) < FEWEST_BATCHES or self._shape is None:
            return None
        within = np.mean(self._variances, axis=0)
        between = np.var(self._means, axis=0, ddof=1) - within / self._shape[0]
        between = np.maximum(between, 0.0).sum()
        total = float(within.sum() + between)
        if not (np.isfinite(total) and total > 0.0):
            return None
        return TargetOrder(float(within.sum()) / total, len(self._means))
