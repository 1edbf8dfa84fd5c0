"""A constant answer with a value of its own at each position, against closed forms in numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

RANDOM = np.random.default_rng(3)
SAMPLES = 96
X = RANDOM.normal(size=(SAMPLES, 5, 4)).astype("float32")
RATES = np.array([0.05, 0.3, 0.5, 0.8, 0.95])
BITS = (RANDOM.random((SAMPLES, 5)) < RATES).astype("float32")[..., None]
WORDS = np.minimum(RANDOM.integers(0, 3, (SAMPLES, 5)), np.arange(5))
LEVELS = (np.arange(5) * 2.0 + RANDOM.normal(size=(SAMPLES, 5))).astype("float32")[..., None]


def start(loss: Any, y: Any, units: int, activation: str | None = None, x: Any = X) -> Any:
    """The facts at the start of a network that answers at each of five positions."""
    import keras

    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import StartMeasurement

    keras.utils.set_random_seed(3)
    layers = keras.layers
    model = keras.Sequential([keras.Input(x.shape[1:]), layers.Dense(units, activation=activation)])
    model.compile("sgd", loss)
    measurement = StartMeasurement(model, compiled_objective(y))
    return measurement.before((x[:32], y[:32], None), y), measurement


def entropy(shares: Any) -> float:
    shares = np.clip(shares, 1e-12, 1.0)
    return float(-(shares * np.log(shares)).sum(axis=-1).mean())


def own_squares(y: Any, p: Any) -> Any:
    from keras import ops

    return ops.mean(ops.square(y - p), axis=-1)


def test_each_position_has_its_own_share_class_and_mean(tensorflow_once: Any) -> None:
    rates = BITS[..., 0].astype(float).mean(axis=0)
    classes = np.stack([(unit == WORDS).mean(axis=0) for unit in range(3)], axis=-1)
    expected = {
        ("binary_crossentropy", 1, "sigmoid"): (BITS, entropy(np.stack([rates, 1 - rates], -1))),
        ("sparse_categorical_crossentropy", 3, "softmax"): (WORDS, entropy(classes)),
        ("mse", 1, None): (LEVELS, float(LEVELS.astype(float).var(axis=0).mean())),
        (own_squares, 1, None): (LEVELS, float(LEVELS.astype(float).var(axis=0).mean())),
    }
    for (loss, units, activation), (y, value) in expected.items():
        facts, measurement = start(loss, y, units, activation)
        assert facts.constant is not None, facts.unmeasured
        assert facts.constant.by_position
        assert facts.constant.loss == pytest.approx(value, rel=1e-3, abs=1e-4), loss
        # Keras's cross-entropies clip probabilities at 1e-7.
        assert measurement.constant_loss(y, None) == pytest.approx(value, rel=1e-3, abs=1e-4)


def test_positions_that_are_alike_share_one_constant(tensorflow_once: Any) -> None:
    """With a value for each position the loss on other samples would only be larger."""
    same = RANDOM.normal(size=(SAMPLES, 5, 1)).astype("float32")
    facts, _ = start("mse", same, 1)
    assert facts.constant is not None
    assert not facts.constant.by_position
    assert facts.constant.loss == pytest.approx(float(same.astype(float).var()), rel=1e-5)
    few = LEVELS[:20]
    facts, _ = start("mse", few, 1, x=X[:20])
    assert facts.constant is not None
    assert not facts.constant.by_position


def test_the_constant_of_a_loss_that_aligns_sequences(tensorflow_once: Any) -> None:
    """CTC of one label in five frames, half of them 1 and half 2, with blank 0.

    With p for a label and q for the blank at one frame and only the blank elsewhere, the likelihood
    is (1 - q) / 2; the best constant puts the label in one frame for certain: the loss is ln 2.
    Without positions every frame has the same p: 2 p - (paths that repeat it) stays far below.
    """
    from keras import ops

    def ctc(y: Any, p: Any) -> Any:
        count = ops.shape(p)[0]
        labels, frames = (ops.full((count,), size, dtype="int32") for size in (1, 5))
        return ops.ctc_loss(ops.cast(y, "int32"), p, labels, frames, mask_index=0)

    labels = np.tile([[1], [2], [2], [1]], (SAMPLES // 4, 1)).astype("int32")
    facts, _ = start(ctc, labels, 3)
    assert facts.constant is not None, facts.unmeasured
    assert facts.constant.by_position
    assert math.log(2) - 1e-3 <= facts.constant.loss < math.log(2) + 0.05
