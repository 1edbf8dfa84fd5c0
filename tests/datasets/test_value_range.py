"""Samples with values that a float type cannot hold."""

from __future__ import annotations

import math
import sys

import numpy as np

from gradscope.datasets.value_range import first_position_out_of_range, samples_out_of_range

LARGEST = 3.4028234663852886e38


def test_the_largest_number_is_in_range_and_the_next_is_not() -> None:
    above = math.nextafter(LARGEST, math.inf)
    x = np.array([[0.0, LARGEST], [-LARGEST, 1.0], [above, 0.0], [0.0, -above], [math.nan, 0.0]])
    assert samples_out_of_range(x, LARGEST).tolist() == [False, False, True, True, True]
    assert first_position_out_of_range(x[3], LARGEST) == (1,)
    assert samples_out_of_range(x).tolist() == [False] * 4 + [True]


def test_by_default_only_nan_and_inf_are_out_of_range() -> None:
    x = np.array([sys.float_info.max, -sys.float_info.max, math.inf, -math.inf, math.nan])
    assert samples_out_of_range(x).tolist() == [False, False, True, True, True]
    x = np.zeros((3, 2, 2), np.float32)
    x[1, 0, 1] = math.inf
    assert samples_out_of_range(x).tolist() == [False, True, False]
    assert first_position_out_of_range(x[1]) == (0, 1)
    assert samples_out_of_range(np.zeros((0, 3))).tolist() == []
