"""Faults of published programs in full: what is said, and that its remedy works."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope import GradientFlow, api
from gradscope.errors import BadRequest
from tests.analyzer.programs.running import (
    CLASSES,
    Data,
    diagnosed,
    diagnosed_model,
    errors,
    finding,
)

pytestmark = pytest.mark.tensorflow


def blobs(samples: int = 600) -> Data:
    """Three clusters of two raw columns, some tens away from 0."""
    random = np.random.default_rng(1)
    y = random.integers(0, 3, samples)
    centres = np.array([[40.0, -30.0], [-60.0, 10.0], [20.0, 70.0]])
    return (centres[y] + 30 * random.normal(size=(samples, 2))).astype("float32"), y


def test_a_step_for_each_raw_sample_diverges() -> None:
    """Updates grow until the loss over the data is beyond all bounds."""
    import keras
    from keras import layers

    def judged(data: Data) -> Any:
        keras.utils.set_random_seed(1)
        network = [layers.Dense(64, activation="relu"), layers.Dense(3, activation="softmax")]
        optimizer = keras.optimizers.SGD(0.02, momentum=0.9)
        return diagnosed(network, data, CLASSES, optimizer, 120, batch_size=1)

    x, y = blobs()
    sick = judged((x, y))
    assert (sick.verdict, sick.codes[0]) == ("unhealthy", "GS404")
    scaled = ((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32")
    assert errors(judged((scaled, y))) == []


def columns(samples: int = 1200) -> Data:
    """Age, income, children, height: the first two decide, and 69 % are of one class."""
    random = np.random.default_rng(1)
    age, income = random.normal(45, 12, samples), random.lognormal(4, 0.5, samples)
    rest = random.integers(0, 5, samples), random.normal(170, 10, samples)
    score = (age - 45) / 12 + (np.log(income) - 4) / 0.5 + random.normal(size=samples)
    x = np.stack([age, income, *rest], axis=1).astype("float32")
    return x, (score > np.quantile(score, 0.69)).astype("float32")[:, None]


def test_raw_columns_that_a_network_learns_from() -> None:
    import keras
    from keras import layers

    def judged(data: Data) -> Any:
        hidden = [
            layers.Dense(32, activation="relu", kernel_initializer="he_normal") for _ in range(5)
        ]
        network = [*hidden, layers.Dense(1, activation="sigmoid")]
        return diagnosed(network, data, "binary_crossentropy", keras.optimizers.Adam(1e-3), 300)

    x, y = columns()
    raw = judged((x, y))
    scaled = judged((((x - x.mean(axis=0)) / x.std(axis=0)).astype("float32"), y))
    assert errors(raw) == []
    assert raw.codes[0] == "GS404"
    assert errors(scaled) == [] and "GS404" not in scaled.codes


def test_a_regression_in_one_layer_that_moves_too_slowly() -> None:
    """A loss just below the variance of a sample of the targets is no better than a constant's."""
    import keras
    from keras import layers

    random = np.random.default_rng(1)
    x = random.normal(size=(4000, 50)).astype("float32")
    signal = x @ random.uniform(0, 100, 50)
    y = (10 * (signal + 100 * random.normal(size=4000)))[:, None].astype("float32")

    def judged(y: np.ndarray) -> Any:
        layer = [layers.Dense(1)]
        return diagnosed(layer, (x, y), "mse", keras.optimizers.RMSprop(1e-3), 600)

    sick = judged(y)
    mended = judged(((y - y.mean()) / y.std()).astype("float32"))
    assert sick.verdict == "unhealthy"
    assert errors(mended) == []


@pytest.mark.long("attention in two blocks is traced twice: 20 s")
def test_transformer_blocks_that_normalize_one_feature() -> None:
    """The published classification of series: attention and convolutions, all of them dead."""
    import keras
    from keras import layers

    def block(stream: Any, axis: Any) -> Any:
        attended = layers.MultiHeadAttention(1, 4)(stream, stream)
        stream = layers.LayerNormalization(axis=axis, epsilon=1e-6)(attended) + stream
        inner = layers.Conv1D(1, 1)(layers.Conv1D(4, 1, activation="relu")(stream))
        return layers.LayerNormalization(axis=axis, epsilon=1e-6)(inner) + stream

    def network(axis: Any) -> Any:
        keras.utils.set_random_seed(0)
        inputs = keras.Input((30, 1))
        stream = block(block(inputs, axis), axis)
        pooled = layers.GlobalAveragePooling1D(data_format="channels_first")(stream)
        hidden = layers.Dense(64, activation="relu")(pooled)
        return keras.Model(inputs, layers.Dense(2, activation="softmax")(hidden))

    random = np.random.default_rng(0)
    y = random.integers(0, 2, 256)
    x = np.sin(np.arange(30) * np.where(y, 0.3, 0.9)[:, None] + random.uniform(0, 6, (256, 1)))
    data = (x[..., None].astype("float32"), y)
    sick = diagnosed_model(network(-1), data, CLASSES, keras.optimizers.Adam(3e-3), 60)
    assert errors(sick)[0] == "GS306"
    assert "normalize over 1 value" in sick.headline
    assert finding(sick, "GS103").caused_by == "GS306"
    mended = diagnosed_model(network((1, 2)), data, CLASSES, keras.optimizers.Adam(3e-3), 60)
    assert not {"GS306", "GS103"} & set(mended.codes)


def test_batches_of_other_lengths_warn_of_no_retracing(caplog: pytest.LogCaptureFixture) -> None:
    import keras
    import tensorflow as tf
    from keras import layers

    random = np.random.default_rng(1)
    lengths = [5, 6, 7, 8, 9, 10]
    batches = [
        (random.normal(size=(8, length, 2)).astype("float32"), random.integers(0, 2, 8))
        for length in lengths
    ]
    spec = (tf.TensorSpec((None, None, 2)), tf.TensorSpec((None,), tf.int64))
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    data = data.apply(tf.data.experimental.assert_cardinality(len(lengths)))
    pooled = layers.GlobalAveragePooling1D()
    model = keras.Sequential(
        [keras.Input((None, 2)), layers.Dense(4, activation="relu"), pooled, layers.Dense(2)]
    )
    model.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    flow = GradientFlow(every=1)
    model.fit(data, shuffle=False, verbose=0, callbacks=[flow])
    assert flow.record.outcome.steps_done == len(lengths)
    assert not [entry for entry in caplog.records if "retracing" in entry.getMessage()]


def test_the_callback_refuses_float8_before_the_first_step() -> None:
    import keras
    from keras import layers

    hidden = layers.Dense(16, activation="relu", name="hidden")
    model = keras.Sequential([keras.Input((16,)), hidden, layers.Dense(2)])
    hidden.quantize("float8")
    model.compile("adam", "mse")
    x = np.zeros((32, 16), "float32")
    with pytest.raises(BadRequest, match="hidden is quantized to float8"):
        model.fit(x, x[:, :2], verbose=0, callbacks=[GradientFlow(every=1)])
    with pytest.raises(BadRequest, match="hidden is quantized to float8"):
        api.run({"training": {"steps": 2}}, model=model, data=(x, x[:, :2]))


def test_weights_of_ten_times_the_usual_size() -> None:
    """The initializer that is named is set as it is printed, and run again."""
    wide = {"name": "variance_scaling", "scale": 200.0, "mode": "fan_in"}
    config = {
        "model": {"hidden": [32, 32], "initializer": wide | {"distribution": "truncated_normal"}},
        "data": {"name": "moons"},
        "training": {"steps": 200},
        "seed": 1,
    }

    def judged(*settings: str) -> Any:
        return api.analyze(api.run(api.load_config(config, overrides=settings))).diagnosis

    sick = judged()
    assert errors(sick)[0] == "GS401", sick.headline
    settings = [f"{key}={value}" for key, value in sick.remedies[0].settings]
    assert settings == ["model.initializer=he_normal"]
    assert judged(*settings).verdict == "healthy"
