"""Data that makes its own batches: a `tf.data.Dataset` or a Keras `PyDataset`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from gradscope.errors import BadRequest
from gradscope.runner.runtime.seeds import derive
from gradscope.runner.sources.arrays import (
    Batch,
    arrays_hash,
    checked_batch,
    sample_count,
    select_samples,
)
from gradscope.runner.sources.user_code import attributed_to_user

TEST_SAMPLES: Final = 10_000
"""Most samples of a test stream that are kept in memory for the evaluation."""

FINGERPRINT_SAMPLES: Final = 1000
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
    _probes: dict[int, Batch] = field(default_factory=dict, repr=False, compare=False)

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
        """Return the first `n` samples, read once and kept."""
        if n not in self._probes:
            self._probes[n] = first_samples(self.epoch, n)
        return self._probes[n]

    def fingerprint(self) -> str:
        """SHA-256 of the first samples and of the test part: the whole may have no end."""
        return arrays_hash(self.probe(FINGERPRINT_SAMPLES), self.test)

    def with_seed(self, seed: int) -> StreamBatches:
        """Return the same data in the order of another seed, where the seed decides the order."""
        return replace(self, seed=seed)


def from_stream(data: Any, testing: Any, seed: int) -> StreamBatches:
    """Make batches of the user's dataset, whose first batch is read for its size."""
    epoch, count = _opened(data, seed)
    batch_size = sample_count(first_samples(epoch, 1, whole=True)[0])
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
        if not isinstance(element, (tuple, list)) or len(element) not in {2, 3}:
            raise BadRequest(
                "data: each element of the dataset must be (inputs, targets) or "
                f"(inputs, targets, sample weights), not a {type(element).__name__}"
            )
        yield checked_batch(tuple(element), "training")


def first_samples(epoch: Callable[[int], Iterator[Any]], n: int, *, whole: bool = False) -> Batch:
    """Return the first `n` samples of the first pass, or the whole batches that hold them."""
    import keras

    read: list[Batch] = []
    for batch in _read(epoch, 0):
        if read and _shapes(batch) != _shapes(read[0]):
            break  # batches padded to lengths of their own do not stack
        read.append(batch)
        if sum(sample_count(item[0]) for item in read) >= n:
            break
    if not read:
        raise BadRequest("data: the dataset is empty")
    x, y, weights = (
        None
        if trees[0] is None
        else keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *trees)
        for trees in zip(*read, strict=True)
    )
    return (x, y, weights) if whole else select_samples((x, y, weights), slice(n))


def _shapes(batch: Batch) -> list[Any]:
    import keras

    leaves = keras.tree.flatten_with_path(batch)
    return [(path, None if leaf is None else leaf.shape[1:]) for path, leaf in leaves]
