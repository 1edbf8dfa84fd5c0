"""Arrays of the user, alone or nested in dicts, lists and tuples, converted to numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from gradscope.datasets.array_hash import add_array
from gradscope.datasets.samples import Samples
from gradscope.datasets.value_range import first_position_out_of_range, samples_out_of_range
from gradscope.errors import BadRequest
from gradscope.message_text import invalid_value_text, sanitise
from gradscope.record.nonfinite_origin import InvalidValue
from gradscope.runner.runtime.seeds import derive

Batch = tuple[Any, Any, Any]
"""Inputs, targets, sample weights or None; the first two may be nested."""

Piece = tuple[Batch, int]
"""A batch, and how many of its first samples count."""

ROLES: Final = ("inputs", "targets", "sample weights")
_KINDS: Final = {
    "c": "complex numbers, whose imaginary part would be dropped",
    "O": "Python objects, as ragged rows give",
    "U": "text",
    "S": "text",
    "T": "text",
    "M": "dates",
    "m": "durations",
    "V": "records",
}


@dataclass(frozen=True)
class ArrayBatches:
    """Batches of arrays in memory: whole epochs in a new order each, a partial last one dropped.

    The order follows from the seed alone, and so do the probe's samples.
    """

    x: Any
    y: Any
    weights: Any
    batch_size: int
    seed: int
    test: Batch | None = None
    notes: tuple[str, ...] = ()

    @property
    def samples(self) -> int:
        """How many samples there are to train on."""
        return sample_count(self.x)

    @property
    def steps_per_epoch(self) -> int:
        """Whole batches in one pass."""
        return self.samples // self.batch_size

    def iterate(self) -> Iterator[Batch]:
        """Yield batches without end."""
        random = np.random.default_rng(derive(self.seed, "batches"))
        while True:
            order = random.permutation(self.samples)
            for step in range(self.steps_per_epoch):
                rows = order[step * self.batch_size : (step + 1) * self.batch_size]
                yield self.rows(rows)

    def probe(self, n: int) -> Batch:
        """Return the same `n` samples, or all there are, at every call."""
        return self.rows(self._probe_rows(n))

    def probe_pieces(self, n: int) -> Iterator[Piece]:
        """Yield the samples of `probe` in batches; the first of them fill up the last batch."""
        chosen = self._probe_rows(n)
        for start in range(0, len(chosen), self.batch_size):
            rows = chosen[start : start + self.batch_size]
            filling = np.resize(chosen, self.batch_size - len(rows))
            yield self.rows(np.concatenate([rows, filling])), len(rows)

    def _probe_rows(self, n: int) -> npt.NDArray[np.int64]:
        random = np.random.default_rng(derive(self.seed, "probe"))
        count = min(n, self.samples)
        return np.sort(random.choice(self.samples, count, replace=False))

    def rows(self, rows: npt.NDArray[np.int64]) -> Batch:
        """Return the samples at these indices."""
        return select_samples((self.x, self.y, self.weights), rows)

    def fingerprint(self) -> str:
        """SHA-256 of the arrays: same digest, same training and test data, bit for bit."""
        return arrays_hash((self.x, self.y, self.weights), self.test)

    def with_seed(self, seed: int) -> ArrayBatches:
        """Return the same data in the order of another seed."""
        return replace(self, seed=seed)


def from_samples(samples: Samples, batch_size: int, seed: int) -> ArrayBatches:
    """Make batches of a built-in data set, which is checked already."""
    test = (samples.x_test, samples.y_test, None) if len(samples.x_test) else None
    size = min(batch_size, len(samples.x))
    return ArrayBatches(samples.x, samples.y, None, size, seed, test, samples.notes)


def from_arrays(data: tuple[Any, ...], batch_size: int, seed: int) -> ArrayBatches:
    """Make batches of the user's arrays; `BadRequest` when they are unusable.

    `data` is (x,), (x, y) or (x, y, weights), or a pair of the latter for training and test.
    """
    training, testing = split_test_part(data)
    x, y, weights = checked_batch(training, "training")
    test = checked_batch(testing, "test") if testing is not None else None
    size = min(batch_size, sample_count(x))
    few = f"there are {sample_count(x)} training samples, fewer than batch_size {batch_size}"
    notes = (few,) if size < batch_size else ()
    return ArrayBatches(x, y, weights, size, seed, test, notes)


def split_test_part(data: tuple[Any, ...]) -> tuple[tuple[Any, ...], tuple[Any, ...] | None]:
    """Split ((x, y), (x_test, y_test)), the form of Keras's data sets; (x, y) has no test part.

    Two tuples of two or three are always the former: several inputs are a list or a dict.
    """
    if len(data) == 2 and all(isinstance(part, tuple) and len(part) in {2, 3} for part in data):
        return data
    return data, None


def checked_batch(data: tuple[Any, ...], part: str) -> Batch:
    """Convert inputs, targets and weights to arrays of numbers of one length.

    Targets are None where there are none, for a model whose loss does without them.
    """
    if len(data) not in {1, 2, 3}:
        raise BadRequest(
            f"data: the {part} part has {len(data)} items; "
            "it must be (inputs, targets) or (inputs, targets, sample weights)"
        )
    padded = (*data, None, None)[:3]
    x, y, weights = (
        None if role != ROLES[0] and tree is None else number_arrays(tree, role, part)
        for role, tree in zip(ROLES, padded, strict=True)
    )
    _check_lengths((x, y, weights), part)
    return x, y, weights


def number_arrays(tree: Any, role: str, part: str) -> Any:
    """Convert a tree of the user's values to a tree of arrays that Keras takes."""
    import keras

    if isinstance(tree, (list, tuple)) and not any(hasattr(i, "shape") for i in _leaves(tree)):
        return _array(tree, (), role, part)  # rows written out as plain lists
    leaves = keras.tree.flatten_with_path(tree)
    if not leaves:
        raise BadRequest(f"data: the {part} {role} are empty", "give at least one array")
    arrays = [_array(leaf, path, role, part) for path, leaf in leaves]
    return keras.tree.pack_sequence_as(tree, arrays)


def _array(value: Any, path: tuple[Any, ...], role: str, part: str) -> npt.NDArray[Any]:
    """Convert to one array, in Keras's float type where it is real, as `model.fit` does."""
    import keras

    where = f"{part} {role}{''.join(f'[{sanitise(repr(key))}]' for key in path)}"
    try:
        array = np.asarray(value)
    except Exception as error:  # ragged lists, tensors of a kind numpy cannot take
        raise BadRequest(f"data: the {where} are no array: {sanitise(str(error), 200)}") from None
    if value is None or array.dtype.kind not in "biuf":
        kind = _KINDS.get(array.dtype.kind, f"of dtype {array.dtype}")
        kind = "missing (None)" if value is None else kind
        raise BadRequest(f"data: the {where} are {kind}; they must be real numbers")
    if array.ndim == 0:
        raise BadRequest(
            f"data: the {where} are a single number; they need one row per sample",
            "a tf.data.Dataset must be batched: dataset.batch(32)",
        )
    if 0 in array.shape:
        raise BadRequest(f"data: the {where} are empty: shape {array.shape}")
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):
            array = array.astype(keras.config.floatx(), copy=False)
        _check_finite(array, where)
    return array


def _check_finite(array: npt.NDArray[Any], where: str) -> None:
    """Refuse NaN, Inf and numbers that overflow in the type that Keras computes in."""
    invalid = invalid_value(array, where)
    if invalid is not None:
        largest = f"; {array.dtype} holds numbers up to {np.finfo(array.dtype).max:.2g}"
        raise BadRequest(
            f"data: {invalid_value_text(**asdict(invalid))}",
            "repair these values, or drop the samples or feature with them"
            + largest * (invalid.value != "nan"),
        )


def invalid_value(array: npt.NDArray[Any], where: str) -> InvalidValue | None:
    """The first value of an array [sample, ...] that is NaN, Inf or beyond its type, if any."""
    bad = samples_out_of_range(array)
    if not bad.any():
        return None
    index = int(np.flatnonzero(bad)[0])
    sample = np.atleast_1d(array[index])
    position = first_position_out_of_range(sample)
    return InvalidValue(
        where,
        index,
        tuple(int(axis) for axis in position) if array.ndim > 1 else (),
        str(sample[position]),
        int(bad.sum()),
        len(array),
    )


def _check_lengths(batch: Batch, part: str) -> None:
    counts: dict[int, str] = {}
    for role, tree in zip(ROLES, batch, strict=True):
        for leaf in _leaves(tree) if tree is not None else ():
            counts.setdefault(len(leaf), role)
    if len(counts) > 1:
        listed = " but ".join(f"{count} samples in the {role}" for count, role in counts.items())
        raise BadRequest(
            f"data: the {part} part has {listed}",
            "every array has one row per sample, and a tf.data.Dataset must be batched",
        )


def value_range(leaves: Sequence[npt.NDArray[Any]]) -> tuple[float, float]:
    """Smallest and largest number in some arrays; of the real ones where there are any."""
    numbers = [leaf for leaf in leaves if leaf.dtype.kind == "f"]
    numbers = numbers or [leaf for leaf in leaves if leaf.dtype.kind in "biu"]
    if not numbers:
        return math.nan, math.nan
    return float(min(n.min() for n in numbers)), float(max(n.max() for n in numbers))


def _leaves(tree: Any) -> list[Any]:
    import keras

    leaves: list[Any] = keras.tree.flatten(tree)
    return leaves


def sample_count(tree: Any) -> int:
    """The number of samples in a tree of arrays."""
    return len(_leaves(tree)[0])


def select_samples(batch: Batch, rows: Any) -> Batch:
    """Return the samples of a batch at these indices, or in this slice."""
    import keras

    x, y, weights = (
        None if tree is None else keras.tree.map_structure(lambda leaf: leaf[rows], tree)
        for tree in batch
    )
    return x, y, weights


def arrays_hash(*batches: Batch | None) -> str:
    """SHA-256 of trees of arrays, with their structure, types and shapes."""
    import keras

    hasher = hashlib.sha256()
    for batch in batches:
        for path, leaf in keras.tree.flatten_with_path(batch):
            if leaf is None:
                hasher.update(f"{path}None".encode())
                continue
            hasher.update(f"{path}".encode())
            add_array(hasher, leaf)
    return hasher.hexdigest()
