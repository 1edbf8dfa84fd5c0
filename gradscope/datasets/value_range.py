"""Samples with a value that a float type cannot hold: NaN, Inf, or beyond its largest number."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gradscope.datasets.samples import Array, blocks

Mask = npt.NDArray[np.bool_]

FLOAT32_MAX = float(np.finfo(np.float32).max)
FLOAT64_MAX = float(np.finfo(np.float64).max)


def samples_out_of_range(array: Array, largest: float = FLOAT64_MAX) -> Mask:
    """Tell for each sample [n] of `array` [n, ...] whether it has NaN, Inf or |x| > `largest`."""
    bad = np.zeros(len(array), np.bool_)
    for rows in blocks(array):
        bad[rows] = _out_of_range(array[rows], largest).reshape(len(array[rows]), -1).any(axis=1)
    return bad


def first_position_out_of_range(sample: Array, largest: float = FLOAT64_MAX) -> tuple[int, ...]:
    """Give the index of the first such value of one sample, which has at least one."""
    return tuple(np.argwhere(_out_of_range(sample, largest))[0].tolist())


def _out_of_range(values: Array, largest: float) -> Mask:
    # NaN compares false, so it is out of range too.
    return ~(np.abs(values.astype(np.float64)) <= largest)
