"""A `fit` with the callback trains the bits of a `fit` without it, whatever it is made of."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from tests.integrations import training
from tests.integrations.training import BATCH, MODELS, assert_same, bits, compiled, data
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow


def fitted(model: Any, *given: Any, every: int = 2, flow: bool, **options: Any) -> list[Any]:
    from gradscope import GradientFlow

    callbacks = [GradientFlow(every)] if flow else []
    fit = {"batch_size": BATCH, "epochs": 2, "verbose": 0} | options
    history = model.fit(*given, callbacks=callbacks, **fit)
    if flow:
        record = callbacks[0].record
        assert len(record.steps) >= 4, "nothing was observed that could have disturbed"
        assert record.outcome.status == "complete"
        assert np.isfinite(record.series["delta_second_moment"]).any(axis=1).all()
    return bits(model, history)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        *(
            pytest.param(name, {}, marks=[pytest.mark.long("10 s")] * (name == "transformer"))
            for name in MODELS
        ),
        ("mlp", {"run_eagerly": True}),
        *(
            pytest.param(name, {"run_eagerly": True}, marks=pytest.mark.long("5 to 15 s each"))
            for name in MODELS
            if name != "mlp"
        ),
        ("batch_norm_mlp", {"steps_per_execution": 3}),
        pytest.param("mlp", {"jit_compile": True}, marks=pytest.mark.long("XLA, 30 s")),
        pytest.param(
            "batch_norm_mlp", {"optimizer": "accumulating"}, marks=pytest.mark.long("8 s")
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else next(iter(value), "graph"),
)
def test_training_is_the_same_to_the_bit(
    name: str, options: dict[str, Any], tensorflow_once: Any
) -> None:
    import keras

    results = []
    for flow in (False, True):
        given = dict(options)
        if given.get("optimizer") == "accumulating":
            given["optimizer"] = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
        model = compiled(MODELS[name], **given)
        results.append(fitted(model, *data(MODELS[name]), flow=flow, validation_split=0.2))
    assert_same(*results)


def test_python_s_and_keras_s_random_states_are_left_alone(tensorflow_once: Any) -> None:
    import keras

    class Noise(keras.layers.Layer):
        """Draws from Keras's global generator, and from Python's and numpy's while traced."""

        def call(self, x: Any) -> Any:
            scale = 0.1 + random.random() + np.random.rand()
            return x + scale * keras.random.normal((6,))

    def build() -> Any:
        return keras.Sequential([keras.Input((6,)), Noise(), *training.mlp().layers])

    results = []
    for flow in (False, True):
        # TensorFlow runs a layer's Python once in a graph, and at every step without one.
        found = fitted(compiled(build, run_eagerly=True), *data(training.mlp), flow=flow)
        drawn = [random.random(), np.random.rand(), keras.random.normal((1,)).numpy()]
        results.append([*found, *drawn])
    assert_same(*results)


@pytest.mark.filterwarnings("ignore:Your input ran out of data")  # its length is found so
@pytest.mark.parametrize(
    "form",
    long_cases(
        ["tf.data", "unknown length", "PyDataset", "weights"],
        ["unknown length", "weights"],
        "5 s each",
    ),
)
def test_the_data_come_in_every_form(form: str, tensorflow_once: Any) -> None:
    x, y = data(training.mlp)

    def given() -> tuple[tuple[Any, ...], dict[str, Any]]:
        import keras

        class Batches(keras.utils.PyDataset):
            def __len__(self) -> int:
                return 4

            def __getitem__(self, i: int) -> Any:
                return x[8 * i : 8 * i + 8], y[8 * i : 8 * i + 8]

        dataset = tensorflow_once.data.Dataset.from_tensor_slices((x, y)).shuffle(36, seed=2)
        if form == "tf.data":
            return (dataset.batch(8),), {"batch_size": None, "shuffle": False}
        if form == "unknown length":
            uncounted = dataset.batch(8).filter(lambda *_: True)
            return (uncounted,), {"batch_size": None, "shuffle": False}
        if form == "PyDataset":
            return (Batches(),), {"batch_size": None, "shuffle": True}
        weights = np.linspace(0.1, 2.0, len(x))
        return (x, y), {"sample_weight": weights, "validation_data": (x, y)}

    results = []
    for flow in (False, True):
        model = compiled(training.mlp, weighted_metrics=["acc"])
        arrays, options = given()
        results.append(fitted(model, *arrays, flow=flow, **options))
    assert_same(*results)


def test_class_weights_change_what_is_measured_and_not_what_is_trained(
    tensorflow_once: Any,
) -> None:
    x, y = data(training.mlp)
    weights = {"class_weight": {0: 0.5, 1: 2.0, 2: 7.0}}
    results = [fitted(compiled(training.mlp), x, y, flow=flow, **weights) for flow in (False, True)]
    assert_same(*results)


def test_several_inputs_and_outputs_in_dicts(tensorflow_once: Any) -> None:
    """Losses of several outputs keep metrics of their own, which are built at their first call."""
    import keras

    def build() -> Any:
        one, two = keras.Input((6,), name="one"), keras.Input((2,), name="two")
        both = keras.layers.Concatenate()([keras.layers.Dense(5, "relu")(one), two])
        heads = [keras.layers.Dense(1, name="size"), keras.layers.Dense(3, "softmax", name="kind")]
        return keras.Model({"one": one, "two": two}, {h.name: h(both) for h in heads})

    x, y = data(training.mlp)
    inputs, targets = {"one": x, "two": x[:, :2]}, {"size": x[:, 0], "kind": y}
    loss = {"size": "mse", "kind": "sparse_categorical_crossentropy"}
    results = []
    for flow in (False, True):
        model = compiled(build, loss=loss, metrics=None, loss_weights={"size": 0.5, "kind": 1.0})
        results.append(fitted(model, inputs, targets, flow=flow))
    assert_same(*results)


def test_mixed_float16_with_its_loss_scale(tensorflow_once: Any) -> None:
    build = training.in_half_precision(training.batch_norm_mlp)
    results = [
        fitted(compiled(build), *data(training.batch_norm_mlp), every=1, flow=flow)
        for flow in (False, True)
    ]
    assert_same(*results)


def test_the_training_function_is_traced_no_more_often(tensorflow_once: Any) -> None:
    import keras

    class Counting(keras.layers.Layer):
        calls = 0

        def call(self, x: Any) -> Any:
            Counting.calls += 1
            return x

    def build() -> Any:
        return keras.Sequential([keras.Input((6,)), Counting(), *training.mlp().layers])

    counts = []
    for flow in (False, True):
        model = compiled(build)
        Counting.calls = 0
        # An epoch with a smaller last batch has an open batch size.
        fitted(model, *data(training.mlp), every=3, epochs=3, flow=flow)
        counts.append(Counting.calls)
    # The survey, the facts of the start, the measurement of whole batches and that of the last one.
    assert counts[1] == counts[0] + 4


def test_a_layer_that_draws_in_every_call_of_a_graph_draws_the_same(tensorflow_once: Any) -> None:
    """`tf.numpy_function` runs Python code each time that the graph runs."""
    import keras
    import tensorflow as tf

    class Noise(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            drawn = tf.numpy_function(lambda: np.float32(np.random.rand()), [], tf.float32)
            drawn.set_shape(())
            return x + 0.1 * drawn

    def build() -> Any:
        return keras.Sequential([keras.Input((6,)), Noise(), *training.mlp().layers])

    results = [fitted(compiled(build), *data(training.mlp), flow=flow) for flow in (False, True)]
    assert_same(*results)
