"""A traced graph with a custom gradient is freed, and serves as long as somebody uses it."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def doubled_slope(tf: Any) -> Any:
    """A traced x^2 whose gradient is declared as 10 x; the backward pass is not traced yet."""

    @tf.custom_gradient
    def square(x: Any) -> Any:
        return x * x, lambda upstream: upstream * 10 * x

    return tf.function(square).get_concrete_function(tf.TensorSpec([3], "float32"))


def registered() -> list[str]:
    from gradscope.runner.runtime import custom_gradients

    names = custom_gradients.registered_gradients()
    return [name for name in names if name.startswith(custom_gradients.PREFIX)]


def test_the_registry_of_this_tensorflow_is_seen(tensorflow_once: Any) -> None:
    before = len(registered())
    traced = doubled_slope(tensorflow_once)
    assert len(registered()) == before + 1, "TensorFlow keeps its custom gradients elsewhere"
    assert traced is not None


def test_a_gradient_that_is_asked_for_later_is_still_the_declared_one(tensorflow_once: Any) -> None:
    from gradscope.runner.runtime.custom_gradients import freed_with_their_graphs

    tf = tensorflow_once
    with freed_with_their_graphs():
        traced = doubled_slope(tf)
    gc.collect()
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(traced(x))
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [10.0, 20.0, 30.0])


@pytest.mark.parametrize("tied", [True, False])
def test_a_graph_is_freed_only_where_its_gradients_are_tied_to_it(
    tensorflow_once: Any, tied: bool
) -> None:
    from gradscope.runner.runtime.custom_gradients import freed_with_their_graphs

    before = set(registered())
    if tied:
        with freed_with_their_graphs():
            traced = doubled_slope(tensorflow_once)
    else:
        traced = doubled_slope(tensorflow_once)
    graph = weakref.ref(traced.graph)
    del traced
    gc.collect()
    assert (graph() is None) is tied
    assert (not set(registered()) - before) is tied


def test_a_second_run_leaves_no_more_graphs_than_the_first(tensorflow_once: Any) -> None:
    import keras

    import gradscope

    x = np.random.default_rng(0).normal(size=(64, 5)).astype("float32")
    y = (x[:, :1] > 0).astype("float32")

    def graphs_after_a_run() -> int:
        net = keras.Sequential(
            [keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1, activation="sigmoid")]
        )
        net.compile("adam", "binary_crossentropy")
        gradscope.run({"training": {"steps": 5}}, model=net, data=(x, y))
        del net
        gc.collect()
        return sum(type(o).__name__.endswith("FuncGraph") for o in gc.get_objects())

    assert graphs_after_a_run() >= graphs_after_a_run()
