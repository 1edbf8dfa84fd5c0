"""What an initializer promises of a matrix: closed forms, simulated draws, and Keras's own."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.initializers import INITIALIZERS, keras_fans
from gradscope.catalog.weight_promises import promise

DRAWS = 40_000


def test_glorot_uniform_of_the_chapter_s_first_layer() -> None:
    """Variance 1 / fan_avg, limit r = sqrt(3 / fan_avg): 784 inputs, 300 units."""
    made = promise("glorot_uniform", {}, (784, 300))
    assert made is not None
    assert made.variance == 2 / (784 + 300)
    assert made.limit == pytest.approx(math.sqrt(6 / (784 + 300)), rel=1e-15)
    assert made.count == 235_200
    low, high = made.variance_limits(0.005)
    # 235,200 draws of a uniform law: sd of their variance is sqrt(0.8 / n) = 0.18 % of it.
    reach = 2.575829 * math.sqrt(0.8 / 235_200)
    assert low / made.variance == pytest.approx(1 - reach, abs=2e-5)
    assert high / made.variance == pytest.approx(1 + reach, abs=3e-5)


def test_unknown_initializers_promise_nothing() -> None:
    assert promise("MyInitializer", {}, (3, 4)) is None
    assert promise("he_normal", {"seed": 3}, (3, 4)) is not None


def _draw(name: str, parameters: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Draws with numpy from the law's definition; the last two axes are the matrix."""
    random = np.random.default_rng(3)
    if name == "random_uniform":
        return random.uniform(parameters["minval"], parameters["maxval"], shape)
    if name == "random_normal":
        return random.normal(parameters["mean"], parameters["stddev"], shape)
    if name == "orthogonal":
        rows, columns = shape[-2:]
        normal = random.normal(size=(*shape[:-2], max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(normal)
        q = q * np.sign(np.diagonal(r, axis1=-2, axis2=-1))[..., np.newaxis, :]
        return parameters["gain"] * (q if rows >= columns else np.swapaxes(q, -1, -2))
    drawn = random.normal(size=(*shape[:-1], 2 * shape[-1]))
    kept = [row[np.abs(row) < 2][: shape[-1]] for row in drawn.reshape(-1, 2 * shape[-1])]
    return (parameters["mean"] + parameters["stddev"] * np.array(kept)).reshape(shape)


LAWS: list[tuple[str, dict[str, Any]]] = [
    ("random_uniform", {"minval": -0.1, "maxval": 0.4}),
    ("random_normal", {"mean": 0.1, "stddev": 0.2}),
    ("truncated_normal", {"mean": 0.0, "stddev": 0.3}),
]


@pytest.mark.parametrize(("name", "parameters"), LAWS)
@pytest.mark.parametrize("count", [8, 100, 400])
def test_draws_leave_the_interval_as_often_as_it_says(
    name: str, parameters: dict[str, Any], count: int
) -> None:
    tail = 0.005
    draws = DRAWS if count <= 100 else DRAWS // 4
    made = promise(name, parameters, (count, 1))
    assert made is not None
    values = _draw(name, parameters, (draws, count))
    variance, mean = values.var(axis=1), values.mean(axis=1)
    low, high = made.variance_limits(tail)
    mean_low, mean_high = made.mean_limits(tail)
    # Five standard errors of a count with the mean `tail * draws`.
    scatter = 5 * math.sqrt(tail * draws)
    counts = [(variance < low).sum(), (variance > high).sum()]
    counts += [(mean < mean_low).sum(), (mean > mean_high).sum()]
    assert max(counts) < tail * draws + scatter
    if count >= 100:
        assert min(counts) > 0.8 * tail * draws - scatter
    if made.limit is not None:
        assert np.abs(values - made.mean).max() <= made.limit * (1 + 1e-12)


@pytest.mark.parametrize("shape", [(6, 9), (20, 5), (3, 3)])
def test_an_orthogonal_matrix_has_an_exact_mean_square(shape: tuple[int, int]) -> None:
    """Only the mean of its entries scatters: the variance is below, by a beta law."""
    tail, draws = 0.005, 20_000
    made = promise("orthogonal", {"gain": 1.5}, shape)
    assert made is not None
    values = _draw("orthogonal", {"gain": 1.5}, (draws, *shape)).reshape(draws, -1)
    np.testing.assert_allclose(np.mean(values**2, axis=1), made.variance, rtol=1e-12)
    low, high = made.variance_limits(tail)
    scatter = 5 * math.sqrt(tail * draws)
    assert abs((values.var(axis=1) < low).sum() - tail * draws) < scatter
    assert not (values.var(axis=1) > high).any()


def test_what_is_not_drawn_has_no_interval_but_rounding() -> None:
    made = promise("identity", {"gain": 2.0}, (4, 7))
    assert made is not None
    matrix = 2.0 * np.eye(4, 7)
    assert made.variance == pytest.approx(matrix.var(), rel=1e-12)
    assert made.mean == pytest.approx(matrix.mean(), rel=1e-12)
    low, high = made.variance_limits(1e-4)
    assert high - low < 1e-4 * matrix.var()
    ones = promise("ones", {}, (4, 7))
    assert ones is not None
    assert (ones.mean, ones.variance) == (1.0, 0.0)


CASES: list[tuple[str, dict[str, Any], tuple[int, ...]]] = [
    *((name, {}, (60, 40)) for name in INITIALIZERS),
    *((name, {}, (3, 3, 8, 16)) for name in INITIALIZERS if name != "identity"),
    ("variance_scaling", {"mode": "fan_avg", "distribution": "uniform"}, (32, 4, 16)),
    ("variance_scaling", {"distribution": "untruncated_normal"}, (64, 256)),
    ("orthogonal", {"gain": 0.5}, (64, 256)),
    ("orthogonal", {}, (1000, 500)),
]


@pytest.mark.tensorflow
def test_keras_keeps_the_promise() -> None:
    """Every initializer, for matrices, convolutions and an attention's kernel of three axes."""
    import keras

    wrong = []
    for name, parameters, shape in CASES:
        entry = INITIALIZERS[name]
        seed = {"seed": 11} if entry.seeded else {}
        drawn = getattr(keras.initializers, entry.keras_class)(**parameters, **seed)(shape)
        values = np.array(drawn, np.float64)
        made = promise(name, parameters, shape)
        assert made is not None
        tail = 0.005 / len(CASES)
        low, high = made.variance_limits(tail)
        mean_low, mean_high = made.mean_limits(tail)
        inside = low <= values.var() <= high and mean_low <= values.mean() <= mean_high
        reach = np.abs(values - made.mean).max()
        if not inside or (made.limit is not None and not reach <= made.limit * (1 + 1e-6)):
            wrong.append((name, parameters, shape, values.var() / (made.variance or 1)))
    assert not wrong


@pytest.mark.tensorflow
@pytest.mark.parametrize("shape", [(), (5,), (5, 7), (3, 5, 7), (3, 4, 5, 7)])
def test_the_fans_are_keras_s(shape: tuple[int, ...]) -> None:
    from keras.src.initializers.random_initializers import compute_fans

    assert keras_fans(shape) == compute_fans(shape)


@pytest.mark.tensorflow
def test_the_fans_of_named_axes_are_keras_s() -> None:
    import inspect

    from keras.src.initializers.random_initializers import compute_fans

    if "input_axes" not in inspect.signature(compute_fans).parameters:
        pytest.skip("Keras before 3.15 knows no axes")
    axes = {"input_axes": [0], "output_axes": [1, 2]}
    assert keras_fans((12, 2, 8), **axes) == compute_fans((12, 2, 8), **axes) == (12, 16)
