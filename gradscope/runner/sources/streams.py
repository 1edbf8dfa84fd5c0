"""Data that makes its own batches: a `tf.data.Dataset` or a Keras `PyDataset`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from gradscope.errors import BadRequest
from gradscope.runner.runtime.seeds import derive
from gradscope.runner.sources.arrays import (
    Batch,
    Piece,
    arrays_hash,
    checked_batch,
    sample_count,
    select_samples,
)
from gradscope.runner.sources.user_code import attributed_to_user

TEST_SAMPLES: Final = 10_000
"""Most samples of a test stream that are kept in memory for the evaluation."""

FINGERPRINT_SAMPLES: Final = 1000
PROBE_SHAPES: Final = 4
"""Shapes of the batches of a probe set: the pass of each is traced on its own."""

PROBE_READ: Final = 4
_END: Final = object()


@dataclass(frozen=True)
class StreamBatches:
    """Batches as the user's dataset makes them, epoch after epoch.

    `epoch(number)` opens one pass. A last batch smaller than the first is dropped; the order and
    any shuffling of a `tf.data.Dataset` are its own, the batches of a `PyDataset` are shuffled by
    the seed, as `model.fit` would.
    """

    epoch: Callable[[int], Iterator[Any]]
    steps_per_epoch: int | None
    batch_size: int
    seed: int
    test: Batch | None = None
    notes: tuple[str, ...] = ()
    _probes: dict[int, list[Piece]] = field(default_factory=dict, repr=False, compare=False)

    def iterate(self) -> Iterator[Batch]:
        """Yield batches without end."""
        # Passes are numbered from the seed on, so that another seed gives other orders; pass 0 is
        # the one that inspects the data.
        for number in itertools.count(derive(self.seed, "epoch") + 1):
            yielded, pending = 0, None
            for batch in _read(self.epoch, number):
                if pending is not None:
                    yield pending
                    yielded += 1
                pending = batch
            if pending is None:
                raise BadRequest(
                    "data: the dataset gives nothing when it is read once more",
                    "what it reads from must be able to start again",
                )
            if not yielded or sample_count(pending[0]) >= self.batch_size:
                yield pending

    def probe(self, n: int) -> Batch:
        """Return those of the first `n` samples whose batches have the shape of the first batch."""
        pieces = [select_samples(batch, slice(count)) for batch, count in self.probe_pieces(n)]
        return _concatenated([batch for batch in pieces if _shapes(batch) == _shapes(pieces[0])])

    def probe_pieces(self, n: int) -> Iterator[Piece]:
        """Yield the batches that hold the first `n` samples, read once and kept."""
        if n not in self._probes:
            self._probes[n] = list(_first_batches(self.epoch, n))
        return iter(self._probes[n])

    def fingerprint(self) -> str:
        """SHA-256 of the first samples and of the test part: the whole may have no end."""
        return arrays_hash(self.probe(FINGERPRINT_SAMPLES), self.test)

    def with_seed(self, seed: int) -> StreamBatches:
        """Return the same data in the order of another seed, where the seed decides the order."""
        return replace(self, seed=seed)


def from_stream(data: Any, testing: Any, seed: int) -> StreamBatches:
    """Make batches of the user's dataset, whose first batch is read for its size."""
    epoch, count = _opened(data, seed)
    # Of the first two: where batches are shuffled, one of them may be the short last one.
    first = itertools.islice(_read(epoch, 0), 2)
    batch_size = max((sample_count(x) for x, _, _ in first), default=0)
    if not batch_size:
        raise BadRequest("data: the dataset is empty")
    test = None if testing is None else first_samples(_opened(testing, seed)[0], TEST_SAMPLES)
    return StreamBatches(epoch, count, batch_size, seed, test)


def is_stream(data: Any) -> bool:
    """Whether this is a dataset that makes its own batches."""
    import keras
    import tensorflow as tf

    return isinstance(data, (tf.data.Dataset, keras.utils.PyDataset))


def _opened(data: Any, seed: int) -> tuple[Callable[[int], Iterator[Any]], int | None]:
    """The function that opens one pass over a dataset, and its number of batches if known."""
    import tensorflow as tf

    if isinstance(data, tf.data.Dataset):
        with attributed_to_user("data.factory", "the dataset"):
            count = int(data.cardinality())
        return (lambda number: iter(data.as_numpy_iterator())), count if count >= 0 else None
    with attributed_to_user("data.factory", "the PyDataset"):
        count = data.num_batches
    return (lambda number: _py_dataset(data, count, seed, number)), count


def _py_dataset(data: Any, count: int | None, seed: int, number: int) -> Iterator[Any]:
    """One pass over a `PyDataset`; pass 0, which inspects the data, is in its own order.

    The last batch stays the last: it may be a remainder, which is to be dropped.
    """
    indices: Any = itertools.count() if count is None else range(count)
    if count is not None and number:
        random = np.random.default_rng([derive(seed, "batches"), number])
        indices = [*random.permutation(count - 1), count - 1] if count else []
    for index in indices:
        yield data[int(index)]
    if number:
        data.on_epoch_end()


def _read(epoch: Callable[[int], Iterator[Any]], number: int) -> Iterator[Batch]:
    """Read one pass and check every batch; exceptions are attributed to the user's code."""
    with attributed_to_user("data.factory", "opening the dataset"):
        elements = epoch(number)
    while True:
        with attributed_to_user("data.factory", "reading the dataset"):
            element = next(elements, _END)
        if element is _END:
            return
        parts = tuple(element) if isinstance(element, (tuple, list)) else (element,)
        if len(parts) not in {1, 2, 3}:
            raise BadRequest(
                "data: each element of the dataset must be (inputs, targets) or "
                f"(inputs, targets, sample weights), not {len(parts)} items"
            )
        yield checked_batch(parts, "training")


def _first_batches(epoch: Callable[[int], Iterator[Any]], n: int) -> Iterator[Piece]:
    """The first batches, and how many samples of each are among the first `n`.

    Batches of more than `PROBE_SHAPES` shapes are passed over, and no more than `PROBE_READ` times
    `n` samples are read.
    """
    left, unread = n, PROBE_READ * n
    shapes: list[Any] = []
    for batch in _read(epoch, 0):
        size, shape = sample_count(batch[0]), (sample_count(batch[0]), _shapes(batch))
        unread -= size
        if shape not in shapes and len(shapes) < PROBE_SHAPES:
            shapes.append(shape)
        if shape in shapes:
            yield batch, min(size, left)
            left -= size
        if left <= 0 or unread <= 0:
            return


def first_samples(epoch: Callable[[int], Iterator[Any]], n: int) -> Batch:
    """Return the first `n` samples of the first pass, as far as their batches have one shape."""
    read: list[Batch] = []
    for batch in _read(epoch, 0):
        if read and _shapes(batch) != _shapes(read[0]):
            break  # batches padded to lengths of their own do not stack
        read.append(batch)
        if sum(sample_count(item[0]) for item in read) >= n:
            break
    if not read:
        raise BadRequest("data: the dataset is empty")
    return select_samples(_concatenated(read), slice(n))


def _concatenated(batches: Sequence[Batch]) -> Batch:
    import keras

    x, y, weights = (
        None
        if trees[0] is None
        else keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *trees)
        for trees in zip(*batches, strict=True)
    )
    return x, y, weights


def _shapes(batch: Batch) -> list[Any]:
    import keras

    leaves = keras.tree.flatten_with_path(batch)
    return [(path, None if leaf is None else leaf.shape[1:]) for path, leaf in leaves]
