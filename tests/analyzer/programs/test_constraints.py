"""Constraints that leave weights far from what the initializer gives, and some that do not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record import Diagnosis, DiagnosisState
from tests.analyzer.programs.running import (
    CLASSES,
    Data,
    actions,
    clusters,
    diagnosed,
    errors,
    finding,
)

pytestmark = pytest.mark.tensorflow


def dense(constraint: Any = None, activation: str = "relu", output: Any = None) -> list[Any]:
    from keras import layers

    hidden = [
        layers.Dense(32, activation=activation, kernel_constraint=constraint) for _ in range(2)
    ]
    return [*hidden, layers.Dense(4, activation="softmax", kernel_constraint=output)]


def judged(layers: list[Any], data: Data | None = None, steps: int = 150) -> Diagnosis:
    import keras

    optimizer = keras.optimizers.Adam(1e-3)
    return diagnosed(layers, data or clusters(noise=1.0), CLASSES, optimizer, steps)


def test_a_bound_far_below_the_initial_norms() -> None:
    from keras.constraints import MaxNorm

    sick = judged(dense(MaxNorm(1e-3)))
    assert errors(sick)[0] == "GS407"
    assert actions(sick) == ["remove_constraint"]
    result = finding(sick, "GS407")
    assert len(result.layers) == 2
    assert "makes them 0.001 at most" in result.details


def test_what_is_usual_stays_healthy() -> None:
    from keras.constraints import MaxNorm, UnitNorm

    for constraint in (None, MaxNorm(3), MaxNorm(1), UnitNorm()):
        assert judged(dense(constraint)).verdict is DiagnosisState.HEALTHY, constraint


def brightness() -> Data:
    """Positive features, as of pixels; the class is which quarter of them is brightest."""
    random = np.random.default_rng(1)
    y = random.integers(0, 4, 600)
    x = random.uniform(size=(600, 4, 16))
    x[np.arange(600), y] += 0.15
    return x.reshape(600, 64).astype("float32"), y


def test_weights_without_signs() -> None:
    from keras.constraints import NonNeg

    sick = judged(dense(NonNeg(), "tanh", NonNeg()), brightness())
    assert "GS407" in sick.verdicts[0].code
    assert "NonNeg" in sick.headline
    assert actions(sick) == ["remove_constraint"]
    healed = judged(dense(activation="tanh"), brightness())
    assert healed.verdict is DiagnosisState.HEALTHY
    last = judged(dense(activation="tanh", output=NonNeg()), brightness())
    assert "GS407" not in [v.code for v in last.verdicts if v.findings]
