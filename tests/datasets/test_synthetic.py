"""The synthetic sets against their closed form geometry and their moments."""

import numpy as np
import pytest

from gradscope.datasets import DATASETS
from gradscope.errors import BadRequest


def both(samples):
    """All rows, training and test."""
    return (
        np.concatenate([samples.x, samples.x_test]),
        np.concatenate([samples.y, samples.y_test]),
    )


def test_moons_without_noise_lie_on_two_half_circles():
    x, y = both(DATASETS["moons"](samples=501, noise=0.0))
    upper, lower = x[y == 0], x[y == 1]
    assert (len(upper), len(lower)) == (250, 251)
    assert np.hypot(*upper.T) == pytest.approx(np.ones(250))
    assert upper[:, 1].min() >= -1e-12
    assert np.hypot(lower[:, 0] - 1.0, lower[:, 1] - 0.5) == pytest.approx(np.ones(251))
    assert lower[:, 1].max() <= 0.5 + 1e-12
    angles = np.sort(np.arctan2(upper[:, 1], upper[:, 0]))
    assert np.diff(angles) == pytest.approx(np.full(249, np.pi / 249))


def test_circles_without_noise_lie_on_two_circles():
    x, y = both(DATASETS["circles"](samples=401, noise=0.0, factor=0.3))
    radius = np.hypot(*x.T)
    assert radius[y == 0] == pytest.approx(np.ones(200))
    assert radius[y == 1] == pytest.approx(np.full(201, 0.3))
    for label, count in ((0, 200), (1, 201)):
        angles = np.sort(np.arctan2(*x[y == label].T) % (2 * np.pi))
        assert np.diff(angles) == pytest.approx(np.full(count - 1, 2 * np.pi / count))


@pytest.mark.parametrize("name", ["moons", "circles", "blobs"])
def test_noise_has_the_standard_deviation_asked_for(name):
    clean, labels = both(DATASETS[name](samples=20_000, noise=0.0, seed=3))
    noisy, same = both(DATASETS[name](samples=20_000, noise=0.25, seed=3))
    assert np.array_equal(labels, same)
    noise = noisy - clean
    # The standard deviation of a standard deviation over n normal values is sigma / sqrt(2 n).
    tolerance = 5 * 0.25 / np.sqrt(2 * noise.size)
    assert noise.std() == pytest.approx(0.25, abs=tolerance)
    assert noise.mean() == pytest.approx(0.0, abs=5 * 0.25 / np.sqrt(noise.size))


def test_blobs_are_round_clouds_of_equal_size_around_centres_in_the_square():
    x, y = both(DATASETS["blobs"](samples=9001, classes=4, noise=0.5, seed=1))
    counts = np.bincount(y)
    assert counts.max() - counts.min() == 1
    for label in range(4):
        cloud = x[y == label]
        assert np.abs(cloud.mean(axis=0)).max() < 10.1
        tolerance = 5 * 0.5 / np.sqrt(2 * len(cloud))
        assert cloud.std(axis=0) == pytest.approx([0.5, 0.5], abs=tolerance)


def test_gaussian_moments_are_those_of_independent_standard_normals():
    x, _ = both(DATASETS["gaussian"](samples=20_000, features=20, seed=7))
    assert x.dtype == np.float32
    values = x.astype(np.float64)
    n = values.size
    assert values.mean() == pytest.approx(0.0, abs=5 / np.sqrt(n))
    assert np.square(values).mean() == pytest.approx(1.0, abs=5 * np.sqrt(2 / n))
    assert (values**4).mean() == pytest.approx(3.0, abs=5 * np.sqrt(96 / n))
    correlation = values.T @ values / len(values) - np.eye(20)
    np.fill_diagonal(correlation, 0.0)
    assert np.abs(correlation).max() < 5 / np.sqrt(len(values))


def test_gaussian_labels_can_be_learned_by_a_linear_model():
    samples = DATASETS["gaussian"](samples=5000, features=20, classes=4, seed=5)
    targets = np.eye(4)[samples.y]
    weights = np.linalg.lstsq(samples.x.astype(float), targets, rcond=None)[0]
    right = np.argmax(samples.x_test @ weights, axis=1) == samples.y_test
    assert right.mean() > 0.85  # chance is 0.25
    assert np.bincount(samples.y, minlength=4).min() > 0


@pytest.mark.parametrize("name", ["gaussian", "moons", "circles", "blobs"])
def test_seed_decides_everything_and_the_split_loses_nothing(name):
    make = DATASETS[name]
    first, again, other = make(samples=300, seed=4), make(samples=300, seed=4), make(samples=300)
    assert np.array_equal(first.x, again.x)
    assert np.array_equal(first.x_test, again.x_test)
    assert not np.array_equal(first.x, other.x)
    assert (len(first.x), len(first.x_test)) == (240, 60)
    assert sorted([*first.rows, *first.rows_test]) == list(range(300))
    unsplit = make(samples=300, seed=4, test_fraction=0.0)
    assert len(unsplit.x_test) == 0
    assert np.array_equal(unsplit.x[first.rows], first.x)
    assert np.array_equal(unsplit.y[first.rows_test], first.y_test)
    assert set(np.unique(first.y[:60])) > {0}, "a batch must not hold a single class"


def test_gaussian_refuses_sizes_before_it_allocates():
    with pytest.raises(BadRequest, match=r"10000000 samples of 1000000 features need 37252\.9 GiB"):
        DATASETS["gaussian"](samples=10_000_000, features=1_000_000)
    with pytest.raises(BadRequest, match="10000 samples of 1000000 features"):
        DATASETS["gaussian"](samples=1, features=1_000_000, classes=10_000)
