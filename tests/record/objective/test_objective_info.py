"""What a record says of the targets, against plain numpy."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import pytest

from gradscope.record.objective.objective_info import TargetSummary, class_labels, target_summary

RNG = np.random.default_rng(0)


def test_class_indices_have_shares() -> None:
    found = target_summary(np.array([0, 2, 2, 1, 2]), classes=4)
    assert (found.form, found.width, found.minimum, found.maximum) == ("indices", 1, 0.0, 2.0)
    assert found.shares == pytest.approx((0.2, 0.2, 0.6, 0.0))


@pytest.mark.parametrize("y", [[[0.0], [1.0], [1.0]], [[False], [True], [True]]])
def test_zeros_and_ones_are_two_classes(y: list[list[float]]) -> None:
    found = target_summary(np.array(y))
    assert found.form == "indices"
    assert found.shares == pytest.approx((1 / 3, 2 / 3))


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
@pytest.mark.parametrize("shape", [(4,), (4, 1)])
def test_zeros_and_ones_are_labels_whatever_their_dtype(dtype: str, shape: tuple[int, ...]) -> None:
    """Keras's loss is the same for 0.0 and 1.0 as for 0 and 1."""
    y = np.array([1, 0, 0, 1]).reshape(shape).astype(dtype)
    labels = class_labels(y)
    assert labels is not None
    assert (labels[0].tolist(), labels[0].dtype, labels[1]) == ([1, 0, 0, 1], np.int64, 2)


def test_whole_floats_beyond_one_are_no_classes() -> None:
    assert class_labels(np.array([0.0, 1.0, 2.0])) is None
    assert class_labels(np.array([0, 1, 2])) is not None
    assert class_labels(np.array([0, 9_999])) is not None
    assert class_labels(np.array([0, 10_000])) is None


def test_one_class_alone_is_of_two() -> None:
    labels = class_labels(np.zeros(3))
    assert labels is not None
    assert labels[1] == 2


def test_one_hot_rows_have_shares() -> None:
    found = target_summary(np.eye(3)[[0, 0, 1, 2]])
    assert (found.form, found.width) == ("one_hot", 3)
    assert found.shares == (0.5, 0.25, 0.25)


def test_real_targets_have_the_variance_within_each_column() -> None:
    y = RNG.normal(size=(50, 2)) * [1.0, 3.0] + [100.0, -100.0]
    found = target_summary(y)
    assert (found.samples, found.zeros) == (50, 0.0)
    assert (found.form, found.width, found.shares) == ("real", 2, ())
    assert found.variance == pytest.approx(np.mean([y[:, 0].var(), y[:, 1].var()]), rel=1e-9)
    assert found.minimum == y.min()


def test_several_labels_at_once_are_no_classes() -> None:
    assert target_summary(np.array([[1.0, 1.0], [0.0, 1.0]])).form == "real"


def test_negative_indices_are_no_classes() -> None:
    assert target_summary(np.array([-1, 1, 1])).shares == ()


@pytest.mark.parametrize("y", [np.array(["a", "b"]), np.zeros((0, 1))])
def test_nothing_is_told_of_what_are_no_numbers(y: np.ndarray) -> None:
    assert target_summary(y) == TargetSummary("")


def test_it_survives_json() -> None:
    found = target_summary(np.array([0, 1, 1]))
    assert TargetSummary.from_json(json.loads(json.dumps(asdict(found)))) == found


def test_probabilities_over_classes_are_no_class() -> None:
    """Rows that sum to 1 without being one-hot: label smoothing, or a teacher's outputs."""
    soft = np.array([[0.25, 0.75], [0.5, 0.5]])
    assert class_labels(soft) is None
    assert target_summary(soft).form == "real"


def test_moments_of_many_values_are_those_of_numpy_and_zeros_are_counted() -> None:
    y = RNG.normal(40.0, 3.0, size=(5000, 300)).astype(np.float32)  # several blocks
    y[::4] = 0.0
    found = target_summary(y)
    wide = y.astype(np.float64)
    assert found.mean == pytest.approx(wide.mean(), rel=1e-12)
    assert found.variance == pytest.approx(wide.var(axis=0).mean(), rel=1e-12)
    assert (found.zeros, found.samples) == (0.25, 5000)


def test_a_summary_of_an_earlier_version_has_no_count() -> None:
    content = asdict(target_summary(np.array([[0.5], [1.5]])))
    del content["samples"], content["zeros"]
    old = TargetSummary.from_json(content)
    assert (old.samples, old.zeros) == (0, None)
