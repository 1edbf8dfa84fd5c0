"""Data as people have it: short batches anywhere, lengths that differ, no targets."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from gradscope.errors import BadRequest

pytestmark = pytest.mark.tensorflow

SAMPLES = 48


def _samples() -> tuple[Any, Any]:
    x = np.random.default_rng(0).normal(size=(SAMPLES, 5)).astype(np.float32)
    return x, (x[:, 0] > 0).astype(np.int32)


def _classifier() -> Any:
    import keras

    keras.utils.set_random_seed(0)
    hidden = keras.layers.Dense(8, activation="relu")
    model = keras.Sequential([hidden, keras.layers.Dense(2, activation="softmax")])
    model.compile("adam", "sparse_categorical_crossentropy")
    return model


def _run(model: Any, data: Any, **training: Any) -> Any:
    import gradscope

    keys = {"steps": 6, "batch_size": 16} | training
    return gradscope.run({"training": keys}, model=model, data=data)


def _endpoint() -> Any:
    """A model whose loss is made by a layer that takes the targets as an input."""
    import keras

    class Endpoint(keras.layers.Layer):  # type: ignore[misc]
        def call(self, probabilities: Any, y: Any) -> Any:
            loss = keras.losses.sparse_categorical_crossentropy(y, probabilities)
            self.add_loss(keras.ops.mean(loss))
            return probabilities

    keras.utils.set_random_seed(0)
    given, label = keras.Input((5,), name="x"), keras.Input((), dtype="int32", name="y")
    hidden = keras.layers.Dense(8, activation="relu")(given)
    probabilities = keras.layers.Dense(2, activation="softmax")(hidden)
    model = keras.Model({"x": given, "y": label}, Endpoint()(probabilities, label))
    model.compile("adam")
    return model


def test_a_short_batch_may_come_anywhere(runner_settings: Any) -> None:
    """Four batches of 14, the last of 6, in an order of their own in every pass."""
    import tensorflow as tf

    x, y = _samples()
    batched = tf.data.Dataset.from_tensor_slices((x, y)).batch(14)
    record = _run(_classifier(), batched.shuffle(10, seed=1), steps=12, probe_samples=20)
    assert record.steps[-1] == 12
    assert np.isfinite(record.scalars["loss"]).all()
    assert (record.batch_size, record.probe_samples) == (14, 20)


def test_the_steps_of_batches_that_differ_are_those_of_fit(runner_settings: Any) -> None:
    import tensorflow as tf

    x, y = _samples()

    def data() -> Any:
        sizes = (16, 9, 16, 7)
        rows = [slice(a, b) for a, b in itertools.pairwise(np.cumsum((0, *sizes)))]
        signature = (tf.TensorSpec([None, 5], tf.float32), tf.TensorSpec([None], tf.int32))
        return tf.data.Dataset.from_generator(
            lambda: ((x[r], y[r]) for r in rows), output_signature=signature
        )

    measured, plain = _classifier(), _classifier()
    for model in (measured, plain):
        model.build((None, 5))
    _run(measured, data(), steps=3)
    for batch in data().take(3):
        plain.train_on_batch(*batch)
    for a, b in zip(measured.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_sequences_of_other_lengths_are_measured(runner_settings: Any) -> None:
    import keras
    import tensorflow as tf

    random = np.random.default_rng(1)
    rows = [random.integers(1, 20, length).astype(np.int32) for length in (3, 5, 4, 5) * 4]
    spec = tf.TensorSpec([None], tf.int32)
    data = tf.data.Dataset.from_generator(
        lambda: ((row, row % 3) for row in rows), output_signature=(spec, spec)
    ).padded_batch(2)
    layers = keras.layers
    recurrent = layers.LSTM(5, return_sequences=True)
    model = keras.Sequential(
        [layers.Embedding(20, 6), recurrent, layers.Dense(3, activation="softmax")]
    )
    model.compile("adam", "sparse_categorical_crossentropy")
    record = _run(model, data)
    assert record.steps[-1] == 6
    assert record.probe_samples == 16
    assert np.isfinite(record.scalars["loss"]).all()


def test_targets_may_be_inputs_of_the_model(runner_settings: Any) -> None:
    """In every spelling, and as a dataset of dicts: the same figures, as fit trains."""
    import tensorflow as tf

    x, y = _samples()
    inputs = {"x": x, "y": y}
    dataset = tf.data.Dataset.from_tensor_slices(inputs).batch(16)
    records = [_run(_endpoint(), data) for data in (inputs, (inputs,), (inputs, None), dataset)]
    for record in records:
        assert 0 < record.scalars["loss"][-1] < record.scalars["loss"][0] < 2
        assert record.histograms["preactivation"].counts[0, 0].sum() == 8 * SAMPLES
    assert len({record.scalars["loss"][0] for record in records[:3]}) == 1


def test_without_targets_a_loss_that_needs_them_is_refused(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.sources import batches

    x, _ = _samples()
    model = keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)])
    model.compile("adam")
    with pytest.raises(BadRequest, match="the data has no targets"):
        _run(model, (x,))
    model.compile("adam", "mean_squared_error")
    with pytest.raises(BadRequest, match="the data has no targets"):
        _run(model, (x,))
    with pytest.raises(BadRequest, match="the built-in network needs targets"):
        batches.as_samples((x,))


def test_a_compute_loss_of_the_models_own_is_the_loss(runner_settings: Any) -> None:
    import keras

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.hidden = keras.layers.Dense(8, activation="relu")
            self.end = keras.layers.Dense(2)

        def call(self, x: Any) -> Any:
            return self.end(self.hidden(x))

        def compute_loss(
            self, x: Any = None, y: Any = None, y_pred: Any = None, sample_weight: Any = None
        ) -> Any:
            losses = keras.losses.sparse_categorical_crossentropy(y, y_pred, from_logits=True)
            return 3.0 * keras.ops.mean(losses)

    x, y = _samples()
    keras.utils.set_random_seed(0)
    model = Own()
    model.compile("adam")
    logits = np.asarray(model(x), np.float64)
    record = _run(model, (x, y), batch_size=SAMPLES)
    expected = np.log(np.exp(logits).sum(1)) - logits[np.arange(SAMPLES), y]
    assert record.scalars["loss"][0] == pytest.approx(3.0 * expected.mean(), rel=1e-5)


def test_a_train_step_that_takes_no_gradient_is_refused_before_the_first_step(
    runner_settings: Any,
) -> None:
    import keras
    import tensorflow as tf

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.end = keras.layers.Dense(2, activation="softmax")

        def call(self, x: Any) -> Any:
            return self.end(x)

        def train_step(self, data: Any) -> Any:
            return {"loss": tf.constant(0.0)}

    model = Own()
    model.compile("adam")
    x, y = _samples()
    with pytest.raises(BadRequest, match="the train_step of Own takes no tape") as refused:
        _run(model, (x, y))
    assert "GradientFlow(loss=fn)" in refused.value.remedy
    assert refused.value.exit_code == 2
