"""Scaling against plain float64 numpy, and where plain numpy would break."""

import numpy as np
import pytest

from gradscope.datasets import DATASETS, Samples
from gradscope.datasets.samples import training_only
from gradscope.datasets.scaling import SCALINGS, scale
from gradscope.errors import BadRequest


def samples(x, x_test=None, rows=None):
    x = np.asarray(x)
    x_test = x[:0] if x_test is None else np.asarray(x_test)
    zeros, ones = np.zeros(len(x), np.int64), np.ones(len(x_test), np.int64)
    return Samples(x, zeros, x_test, ones, "classification", 2, rows=rows)


@pytest.fixture
def drawn():
    generator = np.random.default_rng(0)
    offset = 10.0 ** generator.uniform(-3, 5, size=(4, 3))
    return samples(
        offset + generator.standard_normal((5000, 4, 3)),
        offset + generator.standard_normal((50, 4, 3)),
    )


def test_standardize_is_per_feature_with_the_training_part_s_statistics(drawn):
    scaled = scale(drawn, "standardize")
    mean, deviation = drawn.x.mean(axis=0), drawn.x.std(axis=0)
    for got, raw in ((scaled.x, drawn.x), (scaled.x_test, drawn.x_test)):
        assert got.dtype == np.float32
        np.testing.assert_allclose(got, (raw - mean) / deviation, rtol=1e-6, atol=1e-9)
    assert np.abs(scaled.x.mean(axis=0, dtype=float)).max() < 1e-7
    assert scaled.x.std(axis=0, dtype=float) == pytest.approx(np.ones((4, 3)), rel=1e-6)


def test_minmax_fills_the_unit_interval_and_does_not_clip_the_test_part():
    scaled = scale(samples([[-3.0, 10.0], [1.0, 30.0], [0.0, 15.0]], [[5.0, 0.0]]), "minmax")
    assert np.array_equal(scaled.x, np.array([[0, 0], [1, 1], [0.75, 0.25]], np.float32))
    assert np.array_equal(scaled.x_test, np.array([[2.0, -0.5]], np.float32))


@pytest.mark.parametrize("scaling", ["standardize", "minmax"])
def test_a_constant_feature_becomes_zero_also_where_the_test_part_differs(scaling):
    # 0.1 is not a binary number: its rounded mean differs from it, and 1e-17 is not a deviation.
    x = np.full((1001, 2), 0.1)
    x[:, 1] = np.arange(1001)
    scaled = scale(samples(x, [[7.0, 5.0]]), scaling)
    assert np.all(scaled.x[:, 0] == 0)
    assert scaled.x_test[0, 0] == 0
    assert np.isfinite(scaled.x).all()


@pytest.mark.parametrize("size", [1e-200, 1e-30, 1e30, 1e38])
def test_standardize_neither_under_nor_overflows(size):
    x = np.random.default_rng(1).standard_normal((400, 3))
    scaled = scale(samples(size * x), "standardize")
    assert scaled.x == pytest.approx((x - x.mean(axis=0)) / x.std(axis=0), rel=1e-5, abs=1e-6)


def test_standardize_keeps_a_small_variation_on_a_large_offset():
    x = np.random.default_rng(2).standard_normal((400, 1))
    scaled = scale(samples(1.7e9 + x), "standardize")
    assert scaled.x == pytest.approx((x - x.mean()) / x.std(), abs=1e-5)


def test_unit_divides_bytes_by_255():
    every = np.arange(256, dtype=np.uint8).reshape(128, 2)
    for x in (every, every.astype(np.int64), every.astype(np.float32)):
        assert np.array_equal(scale(samples(x), "unit").x, (every / 255).astype(np.float32))


@pytest.mark.parametrize("bad", [-1.0, 256.0, 0.5, np.nan])
def test_unit_refuses_what_is_no_byte(bad):
    x = np.zeros((4, 2))
    x[2, 1] = bad
    with pytest.raises(BadRequest, match=r"unit divides .* but training sample 2 \(counted from 0"):
        scale(samples(x), "unit")
    with pytest.raises(BadRequest, match="but test sample 2"):
        scale(samples(np.zeros((4, 2)), x), "unit")


def test_a_message_names_the_sample_as_its_source_counts():
    x = np.array([[300], [0], [300]])
    with pytest.raises(BadRequest, match=r"but sample 11 \(counted from 0\)"):
        scale(samples(x, rows=np.array([40, 2, 11])), "unit")


def test_none_changes_nothing_but_the_type():
    raw = DATASETS["gaussian"](samples=50)
    assert np.array_equal(scale(raw, "none").x, raw.x)
    assert scale(samples(np.array([[1], [200]], np.uint8)), "none").x.dtype == np.float32


def test_a_test_value_beyond_float32_once_scaled_is_refused_not_infinite():
    x = np.array([[0.0], [1e-30]])
    with pytest.raises(BadRequest, match=r"test sample 0 .* beyond float32 once scaled"):
        scale(samples(x, [[1e30]]), "standardize")


def test_nan_let_through_on_purpose_stays_nan_and_spoils_nothing_else():
    x = np.array([[1.0, 5.0], [np.nan, 5.0], [3.0, np.nan]])
    scaled = scale(samples(x), "standardize")
    expected = np.array([[-1.0, 0.0], [np.nan, 0.0], [1.0, np.nan]])
    assert np.array_equal(scaled.x, expected.astype(np.float32), equal_nan=True)


def test_targets_get_the_type_that_the_loss_needs():
    labels = training_only(np.eye(3), np.array([0.0, 1.0, 2.0]), task="classification", classes=3)
    assert scale(labels, "none").y.dtype == np.int64
    targets = training_only(np.eye(3), np.array([0.5, 1.0, 2.0]), task="regression", classes=None)
    assert scale(targets, "none").y.dtype == np.float32


def test_an_unknown_scaling_lists_the_known_ones():
    assert SCALINGS == ("standardize", "unit", "minmax", "none")
    with pytest.raises(BadRequest, match="'zscore' is not one of standardize, unit, minmax, none"):
        scale(samples(np.eye(2)), "zscore")


def test_rows_are_transformed_alike_across_blocks(monkeypatch):
    x = np.random.default_rng(3).standard_normal((101, 5))
    at_once = scale(samples(x), "standardize").x
    monkeypatch.setattr("gradscope.datasets.samples._BLOCK_VALUES", 35)
    assert scale(samples(x), "standardize").x == pytest.approx(at_once, rel=1e-6, abs=1e-7)
