"""Which batches one call of the training loop takes: those of one shape."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from gradscope.runner.sources.batches import Batch


class Lookahead:
    """Batches of an iterator, taken as long as they have the shapes of the first of them."""

    def __init__(self, batches: Iterator[Batch]) -> None:
        self._batches = batches
        self._next: Batch | None = None

    @property
    def first(self) -> Batch:
        """The batch that comes next."""
        if self._next is None:
            self._next = next(self._batches)
        return self._next

    def take(self, count: int) -> list[Batch]:
        """The next batches: at most `count`, at least one, all of one shape."""
        taken: list[Batch] = []
        while len(taken) < count and (not taken or _shapes(self.first) == _shapes(taken[0])):
            taken.append(self.first)
            self._next = None
        return taken


def _shapes(batch: Batch) -> list[Any]:
    return [None if leaf is None else (leaf.shape, leaf.dtype) for leaf in _leaves(batch)]


def _leaves(batch: Batch) -> list[Any]:
    leaves: list[Any] = keras.tree.flatten(batch)
    return leaves


def batch_bytes(batch: Batch) -> int:
    """Bytes of the arrays of a batch."""
    return sum(leaf.nbytes for leaf in _leaves(batch) if leaf is not None)
