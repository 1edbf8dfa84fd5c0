"""Answers to samples by themselves, against Keras's answers and numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope import api

pytestmark = pytest.mark.tensorflow

BATCH, CLASSES = 16, 4
RANDOM = np.random.default_rng(5)
Y = RANDOM.integers(0, CLASSES, 320)
X = (2.0 * np.eye(CLASSES, 6)[Y] + 0.5 * RANDOM.normal(size=(320, 6))).astype("float32")


def network(*last: Any) -> Any:
    import keras

    keras.utils.set_random_seed(3)
    hidden = keras.layers.Dense(16, activation="relu")
    model = keras.Sequential([keras.Input((6,)), hidden, *last])
    model.compile(keras.optimizers.Adam(2e-2), "sparse_categorical_crossentropy")
    return model


def softmax(axis: int) -> list[Any]:
    from keras import layers

    return [layers.Dense(CLASSES), layers.Softmax(axis=axis)]


def normalized_by_the_batch(axis: int) -> list[Any]:
    """Deviations from the mean over an axis, in a layer of the user's own."""
    import keras
    from keras import layers, ops

    class Centred(keras.layers.Layer):
        def call(self, z: Any) -> Any:
            return z - ops.mean(z, axis=axis, keepdims=True)

    return [Centred(), layers.Dense(CLASSES, activation="softmax")]


def batch_norm_that_always_trains(axis: int) -> list[Any]:
    """`training=True` in the call, whatever mode the model is in; axis 0 stands for that."""
    import keras
    from keras import layers

    class Always(keras.layers.BatchNormalization):
        def call(self, inputs: Any, training: bool = False, mask: Any = None) -> Any:
            return super().call(inputs, training=True if axis == 0 else training, mask=mask)

    return [Always(momentum=0.8), layers.Dense(CLASSES, activation="softmax")]


KINDS = {
    kind.__name__: kind
    for kind in (softmax, normalized_by_the_batch, batch_norm_that_always_trains)
}


def judged(last: list[Any]) -> Any:
    settings = {"steps": 100, "batch_size": BATCH, "probe_samples": 64}
    record = api.run({"training": settings, "seed": 1}, model=network(*last), data=(X, Y))
    return api.analyze(record)


@pytest.mark.parametrize("kind", KINDS)
def test_samples_that_are_mixed_and_their_repaired_twin(kind: str, tensorflow_once: Any) -> None:
    make: Callable[[int], list[Any]] = KINDS[kind]
    sick = judged(make(0))
    assert sick.diagnosis.verdict == "unhealthy", sick.diagnosis.headline
    assert sick.diagnosis.codes[0] == "GS608", sick.diagnosis.headline
    healthy = judged(make(-1))
    assert healthy.diagnosis.verdict == "healthy", healthy.diagnosis.headline
    assert healthy.record.answers.lone_change < 1e-4


def test_the_figures_are_those_of_predict(tensorflow_once: Any) -> None:
    from gradscope.runner.loop.lone_answers import lone_answers
    from gradscope.runner.objective import objective

    model = network(*softmax(0))
    model.fit(X, Y, batch_size=BATCH, epochs=2, verbose=0)
    x, y = X[:BATCH], Y[:BATCH]
    goal = objective.for_model("auto", model, model(x), y, "softmax")
    found = lone_answers(model, (x, y), goal, batch_size=BATCH)
    rows = np.linspace(0, BATCH - 1, 8).astype(int)
    together = model.predict_on_batch(x).astype(np.float64)
    # Over a batch of copies, each class of a softmax over axis 0 has one over the batch size.
    change = np.sqrt(np.mean((1 / BATCH - together[rows]) ** 2))
    assert found.lone_change == pytest.approx(change / np.sqrt(together.var(axis=0).mean()))
    assert found.lone_loss == pytest.approx(np.log(CLASSES), rel=1e-5)
    right = together[rows, y[rows]] / together[rows].sum(axis=1)
    assert found.joint_loss == pytest.approx(-np.log(right).mean(), rel=1e-4)


def test_answers_that_are_drawn_anew_are_not_judged(tensorflow_once: Any) -> None:
    import keras
    import tensorflow as tf

    from gradscope.runner.loop.lone_answers import lone_answers
    from gradscope.runner.objective import objective

    class Noisy(keras.layers.Layer):
        def call(self, z: Any) -> Any:
            return z + tf.random.normal(tf.shape(z))

    class Seeded(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.generator = keras.random.SeedGenerator(1)

        def call(self, z: Any) -> Any:
            return z + keras.random.normal(keras.ops.shape(z), seed=self.generator)

    for layer, measured in ((Noisy(), False), (Seeded(), True)):
        model = network(keras.layers.Dense(CLASSES), layer, keras.layers.Softmax())
        goal = objective.for_model("auto", model, model(X[:BATCH]), Y[:BATCH], "softmax")
        found = lone_answers(model, (X, Y), goal, batch_size=BATCH)
        assert (found.lone_change < 1e-4) == measured
        assert np.isnan(found.lone_loss)


def test_an_input_with_a_value_for_each_pair_is_not_judged(tensorflow_once: Any) -> None:
    """The rows of a graph are its nodes, and a node alone has no neighbours."""
    import keras
    from keras import layers, ops

    from gradscope.runner.loop.lone_answers import lone_answers
    from gradscope.runner.objective import objective

    features, edges = keras.Input((6,)), keras.Input((BATCH,))
    mixed = layers.Lambda(lambda pair: ops.matmul(pair[1], pair[0]))([features, edges])
    model = keras.Model([features, edges], layers.Dense(CLASSES, activation="softmax")(mixed))
    model.compile("sgd", "sparse_categorical_crossentropy")
    x = (X[:BATCH], np.eye(BATCH, dtype="float32") + 0.1)
    goal = objective.for_model("auto", model, model(list(x)), Y[:BATCH], "softmax")
    assert np.isnan(lone_answers(model, (x, Y[:BATCH]), goal, batch_size=BATCH).lone_change)
