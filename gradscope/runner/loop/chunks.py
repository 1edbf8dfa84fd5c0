"""How many batches one call of the training loop takes, and which."""

from __future__ import annotations

import contextlib
import math
import time
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


class ChunkPace:
    """The number of steps of one call, so that the loop returns often enough.

    A call costs about a millisecond beside its steps, and nothing can stop it while it runs.
    """

    SECONDS = 0.25
    """Target of one call: half of the half second in which Ctrl-C and the progress bar react."""

    MOST = 1000

    def __init__(self) -> None:
        self._calls = 0
        self._per_step = math.inf

    def steps(self, left: int) -> int:
        """Steps of the next call: one at first (it traces) and second (it is timed)."""
        if self._calls < 2:
            return min(1, left)
        return max(1, min(left, self.MOST, int(self.SECONDS / self._per_step)))

    @contextlib.contextmanager
    def timing(self, count: int) -> Iterator[None]:
        """Time a call of `count` steps."""
        started = time.perf_counter()
        yield
        self._calls += 1
        self._per_step = max(1e-6, (time.perf_counter() - started) / count)
