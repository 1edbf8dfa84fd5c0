"""Measuring changes no bit of what CNNs, recurrent nets and transformers train to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.record.builder import RecordBuilder
from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow
STEPS = 50


def cnn(layers: Any) -> tuple[Any, Any]:
    import keras

    given = keras.Input((6, 6, 1))
    h = layers.Conv2D(4, 3, use_bias=False)(given)
    h = layers.ReLU()(layers.BatchNormalization()(h))
    h = layers.SpatialDropout2D(0.2)(layers.MaxPooling2D(2)(h))
    h = layers.Dropout(0.3)(layers.Dense(8, activation="elu")(layers.Flatten()(h)))
    return keras.Model(given, layers.Dense(3, activation="softmax")(h)), (6, 6, 1)


def lstm(layers: Any) -> tuple[Any, Any]:
    import keras

    given = keras.Input((5, 3))
    h = layers.Masking(0.0)(given)
    h = layers.LSTM(4, return_sequences=True, dropout=0.2, recurrent_dropout=0.2)(h)
    h = layers.Bidirectional(layers.GRU(3, dropout=0.1))(h)
    return keras.Model(given, layers.Dense(3, activation="softmax")(h)), (5, 3)


def transformer(layers: Any) -> tuple[Any, Any]:
    import keras

    given = keras.Input((4, 6))
    h = layers.LayerNormalization()(given)
    h = layers.Add()([given, layers.MultiHeadAttention(2, 3, dropout=0.1)(h, h)])
    inner = layers.Dense(6)(layers.Dense(12, activation="gelu")(layers.LayerNormalization()(h)))
    h = layers.GlobalAveragePooling1D()(layers.Add()([h, layers.Dropout(0.1)(inner)]))
    return keras.Model(given, layers.Dense(3, activation="softmax")(h)), (4, 6)


def half(layers: Any) -> tuple[Any, Any]:
    import keras

    given = keras.Input((5,))
    h = layers.Dense(8, activation="relu", dtype="mixed_float16")(given)
    h = layers.BatchNormalization(dtype="mixed_float16")(h)
    return keras.Model(given, layers.Dense(3, activation="softmax", dtype="float32")(h)), (5,)


CASES: dict[str, tuple[Callable[[Any], tuple[Any, Any]], Callable[[Any], Any]]] = {
    "cnn, batch norm, dropout": (cnn, lambda optimizers: optimizers.Adam(0.003)),
    "lstm and gru, masked, dropout": (lstm, lambda optimizers: optimizers.SGD(0.1, momentum=0.9)),
    "transformer block": (transformer, lambda optimizers: optimizers.AdamW(0.003)),
    "float16, adaptive loss scale": (
        half,
        lambda optimizers: optimizers.LossScaleOptimizer(
            optimizers.SGD(0.05), initial_scale=2.0**24, dynamic_growth_steps=7
        ),
    ),
}


def _train(case: str, *, measure: bool) -> tuple[list[np.ndarray], Any]:
    import keras

    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    keras.utils.set_random_seed(7)
    build, optimizer = CASES[case]
    model, shape = build(keras.layers)
    model.compile(optimizer(keras.optimizers), "sparse_categorical_crossentropy")
    random = np.random.default_rng(8)
    x = random.normal(size=(96, *shape)).astype(np.float32)
    if case.startswith("lstm"):
        x[::3, 2] = 0.0  # masked
    y = random.integers(0, 3, 96)
    config = small(training={"steps": STEPS, "batch_size": 8})
    work = replace(workload.from_model(config, model, (x, y)), optimizer=model.optimizer)
    experiment = Experiment(config, work, measure=measure)
    builder = RecordBuilder()
    builder.begin(experiment.beginning())
    end = experiment.train(builder)
    assert end.status == "complete", end.sentence
    variables = [*model.variables, *experiment.optimizer.variables]
    return [np.array(v) for v in variables], builder.build("complete", "", 0.0)


@pytest.mark.parametrize("case", CASES)
def test_trained_bits_are_the_same_with_and_without_measurement(
    case: str, runner_settings: Any
) -> None:
    measured, record = _train(case, measure=True)
    plain, _ = _train(case, measure=False)
    assert len(measured) == len(plain)
    for one, other in zip(measured, plain, strict=True):
        assert one.tobytes() == other.tobytes()
    assert record is not None
    assert len(record.steps) == STEPS + 1
    assert np.isfinite(record.series["delta_second_moment"][1:]).any(0).sum() >= 2
    assert len(record.recurrent_delta) == (3 if case.startswith("lstm") else 0)
    for values in record.recurrent_delta.values():
        assert values.shape == (STEPS + 1, 5)
        assert np.isfinite(values).all()
    if case.startswith("float16"):
        assert record.environment.dtype == "mixed_float16, float32"
        assert not (record.series["nonfinite_count"] > 0).any()
