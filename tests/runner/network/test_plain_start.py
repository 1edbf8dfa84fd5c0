"""Of which models of one's own theory's band is told, and that it is the built-in network's."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope.analyzer.theory import expectation
from gradscope.datasets import loading
from gradscope.record import RunRecord

pytestmark = pytest.mark.tensorflow

DEPTH, WIDTH = 5, 40
CONFIG = {"training": {"steps": 1, "batch_size": 16}}


@pytest.fixture(scope="module")
def data(tensorflow_once: Any) -> tuple[Any, Any]:
    """Standardized samples whose norms differ, in three classes."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal((320, 4, 5)) * rng.uniform(0.5, 1.5, (320, 1, 1))
    return (x / x.std()).astype(np.float32), rng.integers(0, 3, 320)


def blocks(norm: bool = False, **options: Any) -> list[Any]:
    from keras import layers

    given = {"kernel_initializer": "he_normal", "use_bias": not norm, **options}
    found = []
    for _ in range(DEPTH):
        found += [layers.Dense(WIDTH, **given)]
        found += [layers.BatchNormalization(), layers.ReLU()] if norm else [layers.ReLU()]
    return found


def sequential(*start: Any, hidden: list[Any] | None = None, shape: Any = (4, 5)) -> Any:
    """An own network: Flatten, what `start` says, hidden blocks, a softmax of three."""
    import keras

    middle = blocks() if hidden is None else hidden
    end = keras.layers.Dense(3, activation="softmax")
    front = [keras.layers.Flatten()] if len(shape) > 1 else []
    model = keras.Sequential([keras.Input(shape), *front, *start, *middle, end])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def measured(model: Any, data: Any) -> RunRecord:
    return gradscope.run(CONFIG, model=model, data=data)


GAUSSIAN = {"samples": 400, "features": 20, "classes": 3, "seed": 1}


@pytest.fixture(scope="module")
def gaussian() -> tuple[Any, Any]:
    """What the built-in network trains on."""
    samples = loading.load("gaussian", GAUSSIAN, "standardize", 16)
    return samples.x, samples.y


def built_in(**model: Any) -> RunRecord:
    sections = {"depth": DEPTH, "width": WIDTH, "initializer": "he_normal", **model}
    return gradscope.run({"model": sections, "data": {"name": "gaussian", **GAUSSIAN}, **CONFIG})


def test_the_band_is_the_built_in_networks(gaussian: tuple[Any, Any]) -> None:
    expected = built_in()
    record = measured(sequential(shape=(20,)), gaussian)
    assert record.data.geometry == expected.data.geometry is not None
    wanted = expectation.expected(expected).preactivation_band
    band = expectation.expected(record).preactivation_band
    np.testing.assert_allclose(band.deviation, wanted.deviation, rtol=1e-12)
    np.testing.assert_allclose(band.centre, wanted.centre, rtol=1e-12)
    for standing in expectation.standings(record, expectation.expected(record)):
        assert standing.outside == ()


def test_a_batch_norm_at_the_input_normalises_what_is_fed(gaussian: tuple[Any, Any]) -> None:
    from keras import layers

    record = measured(sequential(layers.BatchNormalization(), shape=(20,)), gaussian)
    norm = {"placement": "before_activation", "every": 99, "input": True}
    assert record.data.geometry == built_in(batch_norm=norm).data.geometry is not None


def test_labels_as_columns_are_classes(data: Any) -> None:
    x, y = data
    model = sequential()
    model.compile("sgd", "categorical_crossentropy")
    record = measured(model, (x, np.eye(3, dtype=np.float32)[y]))
    assert record.data.geometry == measured(sequential(), data).data.geometry


def trained(data: Any) -> Any:
    model = sequential()
    model.fit(*data, epochs=1, verbose=0)
    return model


def doubled(data: Any) -> Any:
    model = sequential(hidden=blocks(use_bias=False))
    model.layers[1].kernel.assign(2.0 * model.layers[1].kernel)
    return model


def frozen(data: Any) -> Any:
    model = sequential(hidden=blocks(norm=True))
    model.layers[2].trainable = False
    return model


def moved(data: Any) -> Any:
    model = sequential(hidden=blocks(norm=True))
    model.layers[2].gamma.assign(2.0 * model.layers[2].gamma)
    return model


def rescaled(data: Any) -> Any:
    from keras import layers

    return sequential(layers.Rescaling(0.1))


def other_epsilon(data: Any) -> Any:
    from keras import layers

    return sequential(layers.BatchNormalization(epsilon=0.1))


def functional(data: Any) -> Any:
    """What its graph adds up is no layer of a Sequential model."""
    import keras

    x = keras.Input((4, 5))
    z = keras.layers.Flatten()(x)
    for _ in range(DEPTH):
        z = keras.layers.Dense(WIDTH, "relu")(z) + 1.0
    model = keras.Model(x, keras.layers.Dense(3, activation="softmax")(z))
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


def unflattened(data: Any) -> Any:
    """A first Dense layer that sees the rows of a sample one by one."""
    import keras

    front = [keras.Input((4, 5)), keras.layers.Dense(7), keras.layers.Flatten()]
    end = keras.layers.Dense(3, activation="softmax")
    model = keras.Sequential([*front, *blocks(), end])
    model.compile("sgd", "sparse_categorical_crossentropy")
    return model


OTHERS = (trained, doubled, frozen, moved, rescaled, other_epsilon, functional, unflattened)


@pytest.mark.parametrize("build", OTHERS)
def test_what_is_not_known_has_no_band(build: Any, data: Any) -> None:
    record = measured(build(data), data)
    assert record.data.geometry is None
    prediction = expectation.expected(record)
    assert prediction.preactivation_band is None
    assert prediction.no_band or prediction.outside


def test_data_of_which_it_is_not_known(data: Any) -> None:
    import tensorflow as tf

    x, y = data
    weights = np.linspace(0.5, 1.5, len(y)).astype(np.float32)
    stream = tf.data.Dataset.from_tensor_slices((x, y)).batch(16)
    for given in ((x, y, weights), stream, ((x * 10).astype(np.int32), y)):
        assert measured(sequential(), given).data.geometry is None
