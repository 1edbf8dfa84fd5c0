"""The law of a single weight against what Keras draws, with tolerances from the sample size."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.initializers import INITIALIZERS, TRUNCATION_FACTOR

CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name in INITIALIZERS),
    ("variance_scaling", {"scale": 2.0, "mode": "fan_avg", "distribution": "uniform"}),
    ("variance_scaling", {"scale": 3.0, "mode": "fan_out", "distribution": "untruncated_normal"}),
    ("orthogonal", {"gain": 1.5}),
    ("random_normal", {"mean": 0.1, "stddev": 0.2}),
    ("random_uniform", {"minval": -0.1, "maxval": 0.4}),
    ("truncated_normal", {"mean": -0.1, "stddev": 0.3}),
    ("constant", {"value": 0.7}),
    ("identity", {"gain": 2.0}),
]
SHAPES = [(300, 200), (100, 500)]


def test_truncation_factor_is_the_standard_deviation_of_a_cut_normal() -> None:
    density = math.exp(-2.0) / math.sqrt(2.0 * math.pi)
    variance = 1.0 - 4.0 * density / math.erf(math.sqrt(2.0))
    assert math.isclose(TRUNCATION_FACTOR**2, variance, rel_tol=1e-14)


def test_fan_rules() -> None:
    def variance(name: str, **parameters: Any) -> float:
        return INITIALIZERS[name].variance(784, 300, **parameters)

    assert variance("glorot_uniform") == variance("glorot_normal") == 2 / 1084
    assert variance("he_uniform") == variance("he_normal") == 2 / 784
    assert variance("lecun_uniform") == variance("lecun_normal") == 1 / 784
    assert variance("variance_scaling", scale=2.0, mode="fan_out") == 2 / 300
    assert variance("orthogonal") == 1 / 784
    assert math.isclose(math.sqrt(variance("truncated_normal")), 0.05 * 0.87962566103423978)
    assert variance("zeros") == variance("constant", value=3.0) == 0.0
    assert INITIALIZERS["constant"].mean(784, 300, value=3.0) == 3.0


def test_names_and_seeds() -> None:
    assert all(name == entry.name for name, entry in INITIALIZERS.items())
    unseeded = {name for name, entry in INITIALIZERS.items() if not entry.seeded}
    assert unseeded == {"zeros", "ones", "constant", "identity"}
    with pytest.raises(KeyError, match="scale"):
        INITIALIZERS["he_normal"].complete({"scale": 1.0})


@pytest.mark.tensorflow
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize(("name", "parameters"), CASES, ids=str)
def test_keras_draws_this_law(
    name: str, parameters: dict[str, Any], shape: tuple[int, int]
) -> None:
    import keras

    entry = INITIALIZERS[name]
    seed = {"seed": 7} if entry.seeded else {}
    drawn = getattr(keras.initializers, entry.keras_class)(**parameters, **seed)(shape)
    weights = np.array(drawn, dtype=np.float64)
    variance, mean = entry.variance(*shape, **parameters), entry.mean(*shape, **parameters)
    # Five standard errors; kurtosis <= 3 for every law here, so Var of the sample variance is
    # at most 2 v^2 / n. What draws nothing is exact up to float32.
    n = weights.size
    tolerance = 5.0 if entry.seeded else 0.0
    assert abs(weights.mean() - mean) <= tolerance * math.sqrt(variance / n) + 1e-7
    assert abs(weights.var() - variance) <= tolerance * variance * math.sqrt(2.0 / n) + 1e-7


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", INITIALIZERS)
def test_parameters_and_defaults_are_those_of_keras(name: str) -> None:
    import inspect

    import keras

    entry = INITIALIZERS[name]
    signature = inspect.signature(getattr(keras.initializers, entry.keras_class)).parameters
    for parameter, meaning in entry.parameters.items():
        assert signature[parameter].default == meaning.default
    assert ("seed" in signature) == entry.seeded
    if name != "constant":  # Keras cannot make this one from its bare name
        assert type(keras.initializers.get(name)).__name__ == entry.keras_class
