"""Every kind of layer: its matrices, their moments by numpy, the initializer of its config."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.theory.initial_weights import WeightState, weight_standings
from gradscope.record import InitialWeight

pytestmark = pytest.mark.tensorflow


def _model() -> Any:
    import keras

    class Own(keras.layers.Layer):
        """Its weight is made by what `build` says, which no setting keeps."""

        def build(self, shape: Any) -> None:
            self.w = self.add_weight(shape=(shape[-1], 6), initializer="he_normal", name="w")

        def call(self, x: Any) -> Any:
            return x @ self.w

    keras.utils.set_random_seed(3)
    tokens = keras.Input((7,), dtype="int32")
    x = keras.layers.Embedding(11, 12, name="embedding")(tokens)
    x = keras.layers.MultiHeadAttention(2, 8, name="attention")(x, x)
    x = keras.layers.SeparableConv1D(16, 3, name="separable")(x)
    x = keras.layers.LSTM(9, name="lstm")(x)
    shared = keras.layers.Dense(9, kernel_initializer="he_uniform", name="shared")
    x = shared(shared(x))
    x = Own(name="own")(x)
    loaded = keras.layers.Dense(40, name="loaded")
    x = loaded(x)
    frozen = keras.layers.Dense(30, kernel_initializer="lecun_normal", name="frozen")
    frozen.trainable = False
    x = frozen(x)
    initializer = keras.initializers.VarianceScaling(2.0, "fan_out", "uniform")
    x = keras.layers.Dense(20, kernel_initializer=initializer, name="scaled")(x)
    model = keras.Model(tokens, keras.layers.Dense(1, name="end")(x))
    loaded.set_weights([np.linspace(-1, 1, 240).reshape(6, 40), np.zeros(40)])
    return model


@pytest.fixture(scope="module")
def measured() -> tuple[Any, tuple[InitialWeight, ...]]:
    from gradscope.runner.step.measured_step import survey_model
    from gradscope.runner.survey.initial_weights import initial_weights

    model = _model()
    return model, initial_weights(model, survey_model(model, np.zeros((2, 7), np.int32)))


EXPECTED = {
    ("embedding", "embeddings"): "random_uniform",
    ("query", "kernel"): "glorot_uniform",
    ("key", "kernel"): "glorot_uniform",
    ("value", "kernel"): "glorot_uniform",
    ("attention_output", "kernel"): "glorot_uniform",
    ("separable", "depthwise_kernel"): "glorot_uniform",
    ("separable", "pointwise_kernel"): "glorot_uniform",
    ("lstm", "kernel"): "glorot_uniform",
    ("lstm", "recurrent_kernel"): "orthogonal",
    ("shared", "kernel"): "he_uniform",
    ("own", "w"): None,
    ("loaded", "kernel"): "glorot_uniform",
    ("frozen", "kernel"): "lecun_normal",
    ("scaled", "kernel"): "variance_scaling",
    ("end", "kernel"): "glorot_uniform",
}


def test_every_matrix_is_there_once_with_its_initializer(measured: Any) -> None:
    _, weights = measured
    names = [(weight.layer, weight.weight) for weight in weights]
    assert len(names) == len(set(names))
    assert {(w.layer, w.weight): w.initializer for w in weights} == EXPECTED
    (scaled,) = [weight for weight in weights if weight.layer == "scaled"]
    assert scaled.parameters == {"scale": 2.0, "mode": "fan_out", "distribution": "uniform"}


def test_moments_are_numpy_s(measured: Any) -> None:
    model, weights = measured
    matrices = {
        tuple(variable.path.split("/")[-2:]): np.array(variable, np.float64)
        for variable in model.weights
        if len(variable.shape) >= 2 and not variable.path.endswith("bias")
    }
    compared = 0
    for weight in weights:
        values = matrices.get((weight.layer, weight.weight))
        if values is None:  # lstm_cell/kernel
            values = matrices[(f"{weight.layer}_cell", weight.weight)]
        compared += 1
        assert weight.shape == values.shape
        assert weight.variance == pytest.approx(values.var(), rel=1e-12)
        assert weight.mean == pytest.approx(values.mean(), rel=1e-9, abs=1e-15)
        assert (weight.minimum, weight.maximum) == (values.min(), values.max())
    assert compared == len(EXPECTED)


def test_only_what_was_assigned_is_not_as_initialised(measured: Any) -> None:
    from dataclasses import replace

    from tests.analyzer.synthetic import record

    _, weights = measured
    standings = weight_standings(replace(record(1), initial_weights=weights))
    by_layer = {s.weight.layer: s.state for s in standings}
    assert by_layer.pop("loaded") is WeightState.NOT_AS_INITIALISED
    assert by_layer.pop("own") is WeightState.NO_PROMISE
    assert set(by_layer.values()) == {WeightState.AS_INITIALISED}


def test_large_matrices_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    from gradscope.runner.survey import initial_weights

    monkeypatch.setattr(initial_weights, "_AT_ONCE", 7)
    values = np.random.default_rng(0).normal(5.0, 1e-3, (13, 17)).astype(np.float32)
    mean, variance = initial_weights._moments(values)
    wide = values.astype(np.float64)
    assert mean == pytest.approx(wide.mean(), rel=1e-15)
    assert variance == pytest.approx(wide.var(), rel=1e-12)
