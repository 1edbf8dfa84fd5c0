"""Whether weights are a draw of their initializer, on matrices drawn and altered with numpy."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.theory.initial_weights import WeightState, weight_standings
from gradscope.record import InitialWeight, RunRecord
from tests.analyzer.synthetic import record

SHAPE = (784, 300)
LIMIT = math.sqrt(6 / sum(SHAPE))


def weight_of(values: np.ndarray, layer: str = "hidden_1", **facts: Any) -> InitialWeight:
    """The facts of a matrix as numpy gives them."""
    known = {
        "layer": layer,
        "weight": "kernel",
        "shape": values.shape,
        "dtype": "float32",
        "fan_in": values.shape[0],
        "fan_out": values.shape[1],
        "mean": float(values.mean(dtype=np.float64)),
        "variance": float(values.var(dtype=np.float64)),
        "minimum": float(values.min()),
        "maximum": float(values.max()),
        "initializer": "glorot_uniform",
    }
    return InitialWeight(**known | facts)


def with_weights(*weights: InitialWeight) -> RunRecord:
    return replace(record(3), initial_weights=weights)


def state(values: np.ndarray, **facts: Any) -> WeightState:
    (standing,) = weight_standings(with_weights(weight_of(values, **facts)))
    return standing.state


def uniform(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-LIMIT, LIMIT, SHAPE)


def test_a_draw_is_as_initialised() -> None:
    (standing,) = weight_standings(with_weights(weight_of(uniform())))
    assert standing.state is WeightState.AS_INITIALISED
    assert standing.promise is not None
    assert standing.promise.variance == 2 / (784 + 300)
    assert standing.interval is not None
    low, high = standing.interval
    assert low < standing.weight.variance < high
    assert standing.reach <= LIMIT


@pytest.mark.parametrize(
    "altered",
    [
        pytest.param(lambda w: 1.02 * w, id="two percent larger"),
        pytest.param(lambda w: w + 0.1 * LIMIT, id="moved"),
        pytest.param(
            lambda w: np.random.default_rng(1).normal(0, LIMIT / math.sqrt(3), w.shape),
            id="the same variance, another law",
        ),
        pytest.param(np.zeros_like, id="zero"),
        pytest.param(lambda w: np.full_like(w, np.nan), id="nan"),
    ],
)
def test_what_no_draw_makes_is_not_as_initialised(altered: Any) -> None:
    assert state(altered(uniform())) is WeightState.NOT_AS_INITIALISED


def test_without_a_known_initializer_nothing_is_promised() -> None:
    for name in (None, "MyInitializer"):
        assert state(uniform(), initializer=name) is WeightState.NO_PROMISE


def test_what_an_initializer_does_not_draw_is_held_to_rounding() -> None:
    ones = np.ones((4, 5))
    assert state(ones, initializer="ones") is WeightState.AS_INITIALISED
    assert state(1.001 * ones, initializer="ones") is WeightState.NOT_AS_INITIALISED
    assert state(0.0 * ones, initializer="zeros") is WeightState.AS_INITIALISED
    assert state(1e-6 * ones, initializer="zeros") is WeightState.NOT_AS_INITIALISED


def test_rounding_to_half_precision_is_no_departure() -> None:
    rounded = uniform().astype(np.float16).astype(np.float64)
    assert state(rounded, dtype="float16") is WeightState.AS_INITIALISED


def test_one_initialisation_in_a_hundred_departs_at_most() -> None:
    """100 networks of 20 normal matrices: their intervals hold together, not one by one."""
    random = np.random.default_rng(5)
    departed = 0
    for _ in range(100):
        drawn = [random.normal(0, math.sqrt(1 / 20), (20, 10)) for _ in range(20)]
        parameters = {"distribution": "untruncated_normal"}
        facts = {"initializer": "variance_scaling", "parameters": parameters}
        weights = [weight_of(w, f"l{i}", **facts) for i, w in enumerate(drawn)]
        states = {standing.state for standing in weight_standings(with_weights(*weights))}
        departed += states != {WeightState.AS_INITIALISED}
    assert departed <= 6  # mean 1 of a Poisson law: more than 6 once in 10,000
