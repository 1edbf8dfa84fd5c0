"""The samples of a data set: features and targets, in a training and a test part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
from annotated_types import Ge, Le, Lt

from gradscope.errors import BadRequest

Array = npt.NDArray[Any]
Rows = npt.NDArray[np.int64]

Seed = Annotated[int, Ge(0), Le(2**32 - 1)]
TestFraction = Annotated[float, Ge(0.0), Lt(1.0)]

MAX_BYTES = 4 * 2**30
_BLOCK_VALUES = 2**20
_SPLIT_STREAM = 1


@dataclass(frozen=True)
class Samples:
    """Features and targets for training and for the test afterwards.

    `x` [n, ...] holds numbers as they were read or drawn until `scale` makes them float32. `y` is a
    class index [n] for classification, one or more targets [n] or [n, k] for regression. The test
    part may have no rows. `rows` and `rows_test` are the positions of the samples in their source
    before the split, so that a message numbers a sample as its source does. `notes` are sentences
    shown beside the results.
    """

    x: Array
    y: Array
    x_test: Array
    y_test: Array
    task: str
    classes: int | None
    class_names: tuple[str, ...] = ()
    rows: Rows | None = None
    rows_test: Rows | None = None
    notes: tuple[str, ...] = ()

    def part(self, name: str) -> tuple[Array, Array]:
        """Features and targets of the ``training`` or the ``test`` part."""
        return (self.x, self.y) if name == "training" else (self.x_test, self.y_test)

    def first_where(self, part: str, bad: npt.NDArray[np.bool_]) -> tuple[int, str]:
        """The first sample of a part where `bad` [n] is true: its index and its name.

        First in the order of the source, also after a split; the name counts as the source does.
        """
        indices = np.flatnonzero(bad)
        rows = self.rows if part == "training" else self.rows_test
        if rows is None:
            return int(indices[0]), f"{part} sample {indices[0]} (counted from 0)"
        first = int(indices[np.argmin(rows[indices])])
        return first, f"sample {rows[first]} (counted from 0)"


def training_only(
    x: Array, y: Array, *, task: str, classes: int | None, class_names: tuple[str, ...] = ()
) -> Samples:
    """Samples that are all training data: the test part has no rows."""
    return Samples(x, y, x[:0], y[:0], task, classes, class_names)


def split(samples: Samples, fraction: float, seed: int) -> Samples:
    """Samples shuffled, with `fraction` of them (rounded down) moved to the test part.

    The same seed and number of samples always give the same split; nothing happens to samples that
    have a test part, or when the fraction is 0.
    """
    count = len(samples.x)
    if fraction == 0 or len(samples.x_test):
        return samples
    # A separate stream: drawing more features never moves a sample to the other part.
    order = np.random.default_rng([seed, _SPLIT_STREAM]).permutation(count)
    test, train = np.split(order, [int(count * fraction)])
    return replace(
        samples,
        x=samples.x[train],
        y=samples.y[train],
        x_test=samples.x[test],
        y_test=samples.y[test],
        rows=train,
        rows_test=test,
    )


def blocks(array: Array) -> Iterator[slice]:
    """Slices of rows small enough that a float64 copy of a slice takes little memory."""
    rows = max(1, _BLOCK_VALUES * len(array) // max(1, array.size))
    return (slice(start, start + rows) for start in range(0, len(array), rows))


def refuse_if_too_large(samples: int, features: int) -> None:
    """Raise `BadRequest` for a synthetic set that does not fit, before anything is allocated."""
    needed = 4 * samples * features
    if needed > MAX_BYTES:
        raise BadRequest(
            f"data: {samples} samples of {features} features need {needed / 2**30:.1f} GiB; "
            f"the limit is {MAX_BYTES // 2**30} GiB",
            "use fewer samples or features",
        )


def quoted(value: object) -> str:
    """A value from a user's file, escaped and shortened for a message."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def existing_file(path: Path) -> Path:
    """The path of a regular file; `BadRequest` otherwise, as pipes and devices may never end."""
    path = Path(path).expanduser()
    if not path.exists():
        raise BadRequest(f"data: there is no file {path}", "check data.path")
    if not path.is_file():
        raise BadRequest(f"data: {path} is not a regular file", "check data.path")
    return path
