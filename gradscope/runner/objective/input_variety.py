"""Whether the inputs of samples differ at all."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from gradscope.record import InputVariety

Array = npt.NDArray[Any]


class BatchInputs:
    """Looks at the inputs of batches until two samples differ; no later batch costs anything.

    Whole numbers of several positions are tokens: each of their samples is one token, but for zeros
    before and after, where a vocabulary knows no word of any text.
    """

    def __init__(self) -> None:
        self._samples = 0
        self._first: list[Array] | None = None
        self._tokens: set[int] = set()
        self._differ = False

    def add(self, x: Any) -> None:
        """Add the inputs of one batch."""
        if self._differ:
            return
        leaves = [np.asarray(leaf) for leaf in keras.tree.flatten(x) if leaf is not None]
        if not leaves or not all(leaf.ndim for leaf in leaves):
            self._differ = True  # nothing is known of them
            return
        if self._first is None:
            self._first = [leaf[:1] for leaf in leaves]
        self._samples += len(leaves[0])
        pairs = zip(leaves, self._first, strict=False)
        self._differ = len(leaves) != len(self._first) or any(
            self._has_differences(leaf, first) for leaf, first in pairs
        )

    def variety(self) -> InputVariety | None:
        """What was seen so far; None before the first batch."""
        if not self._samples:
            return None
        token = next(iter(self._tokens)) if len(self._tokens) == 1 else None
        return InputVariety(self._samples, differ=self._differ, token=token)

    def _has_differences(self, leaf: Array, first: Array) -> bool:
        if leaf.dtype.kind in "iu" and leaf.ndim == 2 and leaf.shape[1] > 1:
            self._tokens |= _inner_values(leaf)
            return len(self._tokens) > 1
        return leaf.shape[1:] != first.shape[1:] or bool(np.any(leaf != first))


def _inner_values(rows: Array) -> set[int]:
    """The values of each row between the zeros at its ends."""
    used = rows != 0
    after_first = np.maximum.accumulate(used, axis=1)
    before_last = np.maximum.accumulate(used[:, ::-1], axis=1)[:, ::-1]
    return set(np.unique(rows[after_first & before_last]).tolist())
