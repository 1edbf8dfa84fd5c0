"""Layers that the loss reaches in part or not at all, and those before the first trained weight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record import UnmeasuredReason
from tests.runner.measuring import BATCH, Case, compare, head, inputs, sequential, step

pytestmark = pytest.mark.tensorflow
NOTHING = np.zeros((BATCH, 2), np.float32)


def test_a_head_without_a_loss_and_an_unused_layer_say_so(runner_settings: Any) -> None:
    """Their weights get no gradient: they are left alone, as in `model.fit`, and nothing is 0."""
    import keras
    import tensorflow as tf

    from gradscope.runner.objective import objective
    from gradscope.runner.step import measured_step

    layers = keras.layers
    given = keras.Input((3,))
    h = layers.Dense(4, activation="relu", name="trunk")(given)
    model = keras.Model(
        given, {"main": layers.Dense(2, name="main")(h), "spare": layers.Dense(1, name="spare")(h)}
    )
    model.compile(optimizer="sgd", loss={"main": "mse", "spare": None})
    x = inputs(3)
    outputs = model(x)
    y = {"main": np.zeros((BATCH, 2), np.float32), "spare": np.zeros((BATCH, 1), np.float32)}
    goal = objective.for_model("auto", model, outputs, y, "linear")
    trained = objective.trained_outputs(goal, model, x, y, outputs)
    sites = measured_step.survey_model(model, x, trained)
    spare = next(info for info in sites.layers if info.name == "spare")
    assert not spare.measured
    assert spare.reason is UnmeasuredReason.NO_GRADIENT
    optimizer = keras.optimizers.AdamW(0.1, weight_decay=0.5)
    optimizer.build(model.trainable_variables)
    before = model.get_layer("spare").get_weights()
    measured = measured_step.measured_step(
        model, sites, goal, optimizer, measured_step.MeasurementOptions()
    )
    rows, _, _ = tf.function(measured, autograph=False)((x, y), tf.constant(False))
    np.testing.assert_array_equal(model.get_layer("spare").get_weights()[0], before[0])
    assert np.isnan(rows[:, spare.index]).all()


def test_heads_whose_loss_takes_their_logits_are_trained(runner_settings: Any) -> None:
    """Keras's cross-entropies pass a softmax or sigmoid by: they differentiate by its logits."""
    import keras

    from gradscope.runner.objective import objective

    layers = keras.layers
    given = keras.Input((3,))
    heads = {
        "kinds": layers.Dense(2, activation="softmax", name="kinds")(given),
        "yes": layers.Dense(1, activation="sigmoid", name="yes")(given),
        "size": layers.Dense(1, name="size")(given),
        "spare": layers.Dense(2, activation="softmax", name="spare")(given),
    }
    model = keras.Model(given, heads)
    losses = {"kinds": "sparse_categorical_crossentropy", "yes": "binary_crossentropy"}
    model.compile("sgd", loss={**losses, "size": "mse", "spare": None})
    x = inputs(3)
    outputs, zeros = model(x), np.zeros((BATCH, 1), np.float32)
    y = {"kinds": zeros[:, 0].astype(int), "yes": zeros, "size": zeros, "spare": zeros}
    goal = objective.for_model("auto", model, outputs, y, "linear")
    trained = objective.trained_outputs(goal, model, x, y, outputs)
    told = keras.tree.pack_sequence_as(outputs, trained)
    assert told == {"kinds": True, "yes": True, "size": True, "spare": False}


def test_a_subclassed_model_that_uses_its_layers_in_part(runner_settings: Any) -> None:
    import keras

    layers = keras.layers

    class Parts(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.used = layers.Dense(3, activation="relu", name="used")
            self.called = layers.Dense(2, name="called")
            self.never = layers.Dense(2, name="never")
            self.end = layers.Dense(2, name="end")
            self.stopped = layers.Dense(2, name="stopped")

        def build(self, shape: Any) -> None:
            self.gain = self.add_weight(shape=(3,), initializer="ones", name="gain")
            self.used.build((None, 4))
            self.called.build((None, 3))
            self.end.build((None, 3))
            self.stopped.build((None, 3))

        def call(self, x: Any) -> Any:
            h = self.used(x["given"]) * self.gain + keras.ops.one_hot(x["word"], 3)
            self.called(h)
            away = keras.ops.stop_gradient(self.stopped(h))
            return self.end(h) + keras.ops.cast(keras.ops.argmax(h, -1), "float32")[:, None] + away

    model = Parts()
    x = {"given": inputs(4), "word": np.array([0, 2, 1], np.int32)}
    model(x)
    measured = step(model, x, NOTHING)
    told = {info.name: info for info in measured.layers}
    assert [n for n, info in told.items() if info.measured] == ["used", "end"]
    for name in ("called", "stopped"):
        assert told[name].reason is UnmeasuredReason.NO_GRADIENT
    assert told["never"].reason is UnmeasuredReason.NOT_CALLED
    own = told[model.name]
    assert (own.parameters, own.reason) == (3, UnmeasuredReason.MODEL_WEIGHTS)


def test_a_block_with_weights_of_its_own_has_a_row(runner_settings: Any) -> None:
    import keras

    layers = keras.layers

    class Scaled(layers.Layer):
        """A layer in a layer, with a vector that scales what comes out."""

        def __init__(self) -> None:
            super().__init__(name="block")
            self.inner = layers.Dense(3, name="inner")

        def build(self, shape: Any) -> None:
            self.gain = self.add_weight(shape=(3,), initializer="ones", name="gain")
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return self.inner(x) * self.gain

    model = sequential(lambda _: Scaled(), shape=(3,))()
    measured = step(model, inputs(3), NOTHING)
    assert [info.name for info in measured.layers] == ["block/inner", "block", "flat", "head"]
    assert measured.layer("block").parameters == 3
    assert measured.figures["block"]["delta_second_moment"] > 0


def test_delta_is_there_before_the_first_trained_weight(runner_settings: Any) -> None:
    """Frozen layers and bare inputs: a tape hears only what trained weights feed, unless told."""

    def build() -> Any:
        import keras

        layers = keras.layers
        words, given = keras.Input((4,), dtype="int32"), keras.Input((3,))
        table = layers.Embedding(5, 3, name="table", trainable=False)
        h = layers.GlobalAveragePooling1D(name="mean")(table(words))
        scaled = layers.Rescaling(0.5, name="scaled")(given)
        frozen = layers.Dense(3, activation="tanh", name="frozen", trainable=False)
        h = layers.Add(name="sum")([frozen(scaled), h])
        return keras.Model([words, given], layers.Dense(2, name="head")(h))

    def network(t: Any, w: Any, x: Any) -> Any:
        words, given = x
        h = t.layer("table", w["table/embeddings"][words], "linear", kernels=["table/embeddings"])
        scaled = t.layer("scaled", given * 0.5)
        a = t.weighted("frozen", scaled @ w["frozen/kernel"] + w["frozen/bias"], "tanh")
        h = t.layer("mean", h.mean(1))
        return head(t, w, t.layer("sum", a + h))

    words = np.random.default_rng(4).integers(0, 4, (BATCH, 4)).astype(np.int32)
    frozen = ("table/embeddings", "frozen/kernel", "frozen/bias")
    case = Case(build, network, [words, inputs(3)], frozen=frozen)
    compare(case)
