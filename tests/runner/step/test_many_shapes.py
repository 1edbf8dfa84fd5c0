"""One trace for batches of many shapes gives the figures of a trace for each shape."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope.record import RunRecord

pytestmark = pytest.mark.tensorflow

LENGTHS = (9, 12, 7, 9, 11)
"""Time steps of each batch; the last batch is also shorter."""


def batches() -> Any:
    import tensorflow as tf

    random = np.random.default_rng(0)

    def generated() -> Any:
        for i, length in enumerate(LENGTHS):
            size = 5 if i == len(LENGTHS) - 1 else 8
            x = random.integers(1, 20, (size, length))
            x[:, length - 3 :] *= random.integers(0, 2, (size, 1))  # some end with padding
            yield x, (x.mean(axis=1) > 9).astype(np.int32)

    spec = (tf.TensorSpec((None, None), tf.int64), tf.TensorSpec((None,), tf.int32))
    given = list(generated())
    dataset = tf.data.Dataset.from_generator(lambda: iter(given), output_signature=spec)
    return dataset.apply(tf.data.experimental.assert_cardinality(len(LENGTHS)))


def network(way: str) -> Any:
    """Layers whose figures depend on the sizes of a batch; a recurrent one only for `run`."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(1)
    x = inputs = keras.Input((None,), dtype="int64")
    memory = layers.Embedding(20, 6, mask_zero=True)(x)
    # A masked mean for the callback: its traces of a recurrent layer take 10 s.
    memory = (layers.LSTM(5) if way == "run" else layers.GlobalAveragePooling1D())(memory)
    x = layers.Embedding(20, 6)(x)
    x = layers.PReLU(shared_axes=[1])(layers.Conv1D(8, 3, padding="same")(x))
    x = layers.ReLU()(layers.BatchNormalization()(layers.Dense(8)(x)))
    x = layers.GlobalAveragePooling1D()(x)
    x = layers.Concatenate()([x, memory])
    model = keras.Model(inputs, layers.Dense(2, "softmax")(x))
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    return model


def figures(record: RunRecord) -> dict[str, np.ndarray]:
    finite = {name: values for name, values in record.series.items() if np.isfinite(values).any()}
    return finite | {"loss": record.scalars["loss"]}


def measured(model: Any, way: str) -> RunRecord:
    if way == "run":
        training = {"steps": len(LENGTHS), "probe_samples": 16}
        return gradscope.run({"training": training}, model=model, data=batches())
    flow = gradscope.GradientFlow(every=1)
    model.fit(batches(), epochs=1, shuffle=False, verbose=0, callbacks=[flow])
    return flow.record


@pytest.mark.parametrize("way", ["run", "callback"])
def test_the_figures_of_one_trace_are_those_of_many(
    way: str, monkeypatch: pytest.MonkeyPatch, tensorflow_once: Any
) -> None:
    from gradscope.runner.runtime import trace_by_shape

    together = measured(network(way), way)
    monkeypatch.setattr(trace_by_shape, "MOST_SHAPES", 10**9)
    apart = measured(network(way), way)
    first, second = figures(together), figures(apart)
    assert first.keys() == second.keys()
    for name in sorted(first):
        np.testing.assert_allclose(first[name], second[name], rtol=2e-4, atol=1e-12, err_msg=name)


def test_there_are_three_traces(tensorflow_once: Any) -> None:
    import tensorflow as tf

    from gradscope.runner.runtime.trace_by_shape import TraceByShape

    traced = TraceByShape(lambda x, y: (tf.reduce_sum(x), tf.size(x), y))
    for rows in (4, 3, 7, 9, 2, 4):
        for columns in (2, 5):
            values = np.arange(rows * columns, dtype=np.float32).reshape(rows, columns)
            total, size, _ = traced(tf.constant(values), None)
            assert (float(total), int(size)) == (values.sum(), values.size)
    assert traced.traces() == 3
    traced(tf.constant(1.0), None)  # another rank
    assert traced.traces() == 4


def test_a_layer_that_needs_the_size_is_traced_for_each(tensorflow_once: Any) -> None:
    import keras

    class Positions(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            if isinstance(x, keras.KerasTensor):
                return x
            return x * np.linspace(0.5, 1.0, int(x.shape[1]), dtype=np.float32)[:, None]

        def compute_output_shape(self, input_shape: Any) -> Any:
            return input_shape

    keras.utils.set_random_seed(1)
    model = keras.Sequential([keras.Input((None,), dtype="int64"), keras.layers.Embedding(20, 6)])
    model.add(Positions())
    model.add(keras.layers.GlobalAveragePooling1D())
    model.add(keras.layers.Dense(2, "softmax"))
    model.compile("sgd", "sparse_categorical_crossentropy")
    record = measured(model, "run")
    assert record.outcome.steps_done == len(LENGTHS)
    assert np.isfinite(record.scalars["loss"]).all()
