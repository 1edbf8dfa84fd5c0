"""Scaling of raw features to the float32 numbers that the network receives.

Every statistic comes from the training part alone and is computed in float64; the test part is
transformed with it and may therefore leave the range (it is not clipped).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from gradscope.datasets.samples import Array, Samples, blocks
from gradscope.errors import BadRequest

Scaling = Literal["standardize", "unit", "minmax", "none"]
SCALINGS: tuple[str, ...] = get_args(Scaling)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class _Affine:
    """The map of each feature: (x - shift) / unit, and 0 where `constant`."""

    shift: Floats
    unit: Floats
    constant: npt.NDArray[np.bool_]

    def __call__(self, x: Floats) -> Floats:
        return np.where(self.constant & np.isfinite(x), 0.0, (x - self.shift) / self.unit)


def _range(x: Array) -> tuple[Floats, Floats]:
    """Smallest and largest finite value of each feature; 0 and 0 where there is none."""
    smallest = np.full(x.shape[1:], np.inf)
    largest = np.full(x.shape[1:], -np.inf)
    for rows in blocks(x):
        values = x[rows].astype(np.float64)
        finite = np.isfinite(values)
        smallest = np.minimum(smallest, np.where(finite, values, np.inf).min(axis=0))
        largest = np.maximum(largest, np.where(finite, values, -np.inf).max(axis=0))
    empty = smallest > largest
    return np.where(empty, 0.0, smallest), np.where(empty, 0.0, largest)


def _minmax(x: Array) -> _Affine:
    smallest, largest = _range(x)
    constant = smallest == largest
    return _Affine(smallest, np.where(constant, 1.0, largest - smallest), constant)


def _standardize(x: Array) -> _Affine:
    smallest, largest = _range(x)
    constant = smallest == largest
    # In units of its range no deviation over- or underflows when squared, and a constant feature is
    # recognised exactly; a rounded mean would give it a standard deviation of 1e-17.
    unit = np.where(constant, 1.0, largest - smallest)
    count = np.zeros(x.shape[1:])
    total = np.zeros(x.shape[1:])
    for rows in blocks(x):
        values = (x[rows].astype(np.float64) - smallest) / unit
        finite = np.isfinite(values)
        count += finite.sum(axis=0)
        total += np.where(finite, values, 0.0).sum(axis=0)
    mean = total / np.maximum(count, 1.0)
    squares = np.zeros(x.shape[1:])
    for rows in blocks(x):
        values = (x[rows].astype(np.float64) - smallest) / unit - mean
        squares += np.square(np.where(np.isfinite(values), values, 0.0)).sum(axis=0)
    deviation = np.where(constant, 1.0, np.sqrt(squares / np.maximum(count, 1.0)))
    return _Affine(smallest + unit * mean, unit * deviation, constant)


def _unit(x: Array) -> _Affine:
    shape = x.shape[1:]
    return _Affine(np.zeros(shape), np.full(shape, 255.0), np.zeros(shape, np.bool_))


def _none(x: Array) -> _Affine:
    shape = x.shape[1:]
    return _Affine(np.zeros(shape), np.ones(shape), np.zeros(shape, np.bool_))


_FITS: dict[str, Callable[[Array], _Affine]] = {
    "standardize": _standardize,
    "unit": _unit,
    "minmax": _minmax,
    "none": _none,
}


def scale(samples: Samples, scaling: str) -> Samples:
    """The samples as the network receives them: x float32, y int64 classes or float32 targets.

    ``standardize``: each feature (each pixel) gets mean 0 and standard deviation 1 over the
    training part, as (X - pixel_means) / pixel_stds. A feature with rare values, such as the corner
    pixel of an image, can then be far from 0. ``minmax``: each feature fills [0, 1].
    In both, a feature that is constant over the training part becomes 0 everywhere.
    ``unit``: 8-bit images divided by 255; other values are refused. ``none``: as they are.
    """
    if scaling not in _FITS:
        raise BadRequest(f"data.scaling: {scaling!r} is not one of {', '.join(SCALINGS)}")
    if scaling == "unit":
        _refuse_other_than_bytes(samples, "training")
        _refuse_other_than_bytes(samples, "test")
    with np.errstate(over="ignore", invalid="ignore"):
        transform = _FITS[scaling](samples.x)
        x, x_test = (_apply(transform, samples, part) for part in ("training", "test"))
        target = np.int64 if samples.task == "classification" else np.float32
        y, y_test = samples.y.astype(target), samples.y_test.astype(target)
    return replace(samples, x=x, y=y, x_test=x_test, y_test=y_test)


def _apply(transform: _Affine, samples: Samples, part: str) -> npt.NDArray[np.float32]:
    x, _ = samples.part(part)
    scaled = np.empty(x.shape, np.float32)
    overflow = np.zeros(len(x), np.bool_)
    for rows in blocks(x):
        scaled[rows] = transform(x[rows].astype(np.float64))
        lost = np.isfinite(x[rows]) & ~np.isfinite(scaled[rows])
        overflow[rows] = lost.reshape(len(lost), -1).any(axis=1)
    if overflow.any():
        _, place = samples.first_where(part, overflow)
        raise BadRequest(
            f"data.scaling: a value of {place} is beyond float32 once scaled",
            "remove the outlier, or the feature that hardly varies over the training part",
        )
    return scaled


def _refuse_other_than_bytes(samples: Samples, part: str) -> None:
    x, _ = samples.part(part)
    bad = np.zeros(len(x), np.bool_)
    for rows in blocks(x):
        values = x[rows].reshape(len(x[rows]), -1)
        wrong = ~((values >= 0) & (values <= 255))
        if values.dtype.kind == "f":
            wrong |= values != np.floor(values)
        bad[rows] = wrong.any(axis=1)
    if bad.any():
        _, place = samples.first_where(part, bad)
        raise BadRequest(
            f"data.scaling: unit divides 8-bit images by 255, but {place} holds a value that is "
            "not a whole number from 0 to 255",
            "use standardize, minmax or none",
        )
