"""What is told of the data's norms and angles, against direct sums over all samples and pairs."""

from __future__ import annotations

import numpy as np
import pytest

from gradscope.record.sample_geometry import sample_geometry


def samples(count: int = 300) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, count)
    centres = rng.standard_normal((3, 5, 4))
    size = np.exp(0.5 * rng.standard_normal(count))
    x = size[:, None, None] * (centres[y] + rng.standard_normal((count, 5, 4)))
    return x.astype(np.float32), y


def test_norms_and_cosines() -> None:
    x, y = samples()
    seen = sample_geometry(x, y, classes=3, batch_size=32)
    rows = x.reshape(len(x), -1).astype(np.float64)
    norms = np.mean(rows**2, axis=1)
    assert seen.second_moment == pytest.approx(np.mean(norms), rel=1e-12)
    shares = np.array(seen.norm_shares)
    assert shares.sum() == pytest.approx(1.0)
    assert np.array(seen.norms) @ shares == pytest.approx(1.0)
    assert np.all(np.diff(seen.norms) >= 0)
    assert seen.norm_variation == pytest.approx(np.std(norms) / np.mean(norms), rel=0.05)
    products = rows @ rows.T / rows.shape[1]
    pairs = np.triu_indices(len(x), 1)
    assert seen.mean_product == pytest.approx(np.mean(products[pairs]), rel=1e-9)
    same = (y[:, None] == y[None, :])[pairs]
    lengths = np.sqrt(np.outer(norms, norms))[pairs]
    for kind, told in ((same, seen.alike), (~same, seen.different)):
        weights = lengths[kind] ** 2
        cosines = products[pairs][kind] / lengths[kind]
        assert np.mean(told) == pytest.approx(np.average(cosines, weights=weights), rel=1e-6)
    assert seen.alike_share == pytest.approx(same.mean())
    assert np.mean(seen.alike) > np.mean(seen.different)
    assert seen.samples == len(x)


def test_after_a_batch_norm() -> None:
    """Every feature has mean square s^2 / (s^2 + epsilon) within a batch; a constant one has 0."""
    x, y = samples(320)
    x[:, 0, 0] = 7.0
    seen = sample_geometry(x, y, classes=3, batch_size=32, batch_norm_epsilon=1e-12)
    assert seen.second_moment == pytest.approx(19 / 20, rel=1e-6)
    assert seen.samples == 0  # every batch has the same mean square
    assert seen.mean_product == pytest.approx(-19 / 20 / 31, rel=1e-5)


def test_real_targets_have_no_classes() -> None:
    x, _ = samples()
    seen = sample_geometry(x, np.zeros((300, 2)), classes=None, batch_size=32)
    assert (seen.alike_share, seen.alike) == (0.0, (0.0,))


def test_samples_that_are_zero_or_alone() -> None:
    zeros = sample_geometry(np.zeros((4, 3), np.float32), np.zeros(4), classes=2, batch_size=2)
    assert (zeros.second_moment, zeros.norms, zeros.different) == (0.0, (1.0,), (0.0,))
    one = sample_geometry(np.ones((1, 3), np.float32), np.zeros(1), classes=2, batch_size=1)
    assert (one.second_moment, one.mean_product, one.alike_share) == (1.0, 0.0, 0.0)
