"""Data that comes in batches by itself: a `tf.data.Dataset` or a Keras `PyDataset`."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from gradscope.errors import BadRequest
from gradscope.runner.runtime.seeds import derive
from gradscope.runner.sources.arrays import Batch, checked, digest, length, taken
from gradscope.runner.sources.user_code import blamed

TEST_SAMPLES: Final = 10_000
"""How many samples of a test stream are kept: it is evaluated in one piece."""

FINGERPRINT_SAMPLES: Final = 1000
_END: Final = object()


@dataclass(frozen=True)
class StreamBatches:
    """Batches as the user's dataset makes them, over and over.

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
        """Give batches for ever."""
        # Passes are numbered from the seed on, so that another seed gives other orders; 0 is kept
        # for looking at the data.
        for number in itertools.count(derive(self.seed, "epoch") + 1):
            given, held = 0, None
            for batch in _read(self.epoch, number):
                if held is not None:
                    yield held
                    given += 1
                held = batch
            if held is None:
                raise BadRequest(
                    "data: the dataset gives nothing when it is read once more",
                    "what it reads from must be able to start again",
                )
            if not given or length(held[0]) >= self.batch_size:
                yield held

    def probe(self, n: int) -> Batch:
        """Give the first `n` samples, read once and kept."""
        if n not in self._probes:
            self._probes[n] = collected(self.epoch, n)
        return self._probes[n]

    def fingerprint(self) -> str:
        """SHA-256 of the first samples and of the test part: the whole may have no end."""
        return digest(self.probe(FINGERPRINT_SAMPLES), self.test)

    def with_seed(self, seed: int) -> StreamBatches:
        """Give the same data in the order of another seed, as far as the seed decides it."""
        return replace(self, seed=seed)


def from_stream(data: Any, testing: Any, seed: int) -> StreamBatches:
    """Take the user's dataset, after a look at its first batch."""
    epoch, count = _opened(data, seed)
    batch_size = length(collected(epoch, 1, whole=True)[0])
    test = None if testing is None else collected(_opened(testing, seed)[0], TEST_SAMPLES)
    return StreamBatches(epoch, count, batch_size, seed, test)


def is_stream(data: Any) -> bool:
    """Tell whether this is a dataset that gives batches by itself."""
    import keras
    import tensorflow as tf

    return isinstance(data, (tf.data.Dataset, keras.utils.PyDataset))


def _opened(data: Any, seed: int) -> tuple[Callable[[int], Iterator[Any]], int | None]:
    """Give the way to open one pass over a dataset, and how many batches it says it has."""
    import tensorflow as tf

    if isinstance(data, tf.data.Dataset):
        with blamed("data.factory", "the dataset"):
            count = int(data.cardinality())
        return (lambda number: iter(data.as_numpy_iterator())), count if count >= 0 else None
    with blamed("data.factory", "the PyDataset"):
        count = data.num_batches
    return (lambda number: _py_dataset(data, count, seed, number)), count


def _py_dataset(data: Any, count: int | None, seed: int, number: int) -> Iterator[Any]:
    """One pass over a `PyDataset`; pass 0, for looking at it, is in its own order.

    The last batch stays the last: it may be a remainder, which is to be dropped.
    """
    places: Any = itertools.count() if count is None else range(count)
    if count is not None and number:
        random = np.random.default_rng([derive(seed, "batches"), number])
        places = [*random.permutation(count - 1), count - 1] if count else []
    for place in places:
        yield data[int(place)]
    if number:
        data.on_epoch_end()


def _read(epoch: Callable[[int], Iterator[Any]], number: int) -> Iterator[Batch]:
    """Read one pass, checking every batch; what goes wrong in it is the user's code's."""
    with blamed("data.factory", "opening the dataset"):
        elements = epoch(number)
    while True:
        with blamed("data.factory", "reading the dataset"):
            element = next(elements, _END)
        if element is _END:
            return
        if not isinstance(element, (tuple, list)) or len(element) not in {2, 3}:
            raise BadRequest(
                "data: each element of the dataset must be (inputs, targets) or "
                f"(inputs, targets, sample weights), not a {type(element).__name__}"
            )
        yield checked(tuple(element), "training")


def collected(epoch: Callable[[int], Iterator[Any]], n: int, *, whole: bool = False) -> Batch:
    """Give the first `n` samples of the first pass, or the whole batches they are in."""
    import keras

    found: list[Batch] = []
    for batch in _read(epoch, 0):
        if found and _shapes(batch) != _shapes(found[0]):
            break  # batches padded to lengths of their own do not stack
        found.append(batch)
        if sum(length(item[0]) for item in found) >= n:
            break
    if not found:
        raise BadRequest("data: the dataset is empty")
    x, y, weights = (
        None
        if trees[0] is None
        else keras.tree.map_structure(lambda *leaves: np.concatenate(leaves), *trees)
        for trees in zip(*found, strict=True)
    )
    return (x, y, weights) if whole else taken((x, y, weights), slice(n))


def _shapes(batch: Batch) -> list[Any]:
    import keras

    leaves = keras.tree.flatten_with_path(batch)
    return [(path, None if leaf is None else leaf.shape[1:]) for path, leaf in leaves]
