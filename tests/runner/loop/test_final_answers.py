"""Loss and accuracy of the trained network over the probe set, against numpy and Keras."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope import api

pytestmark = pytest.mark.tensorflow

SAMPLES, BATCH, CLASSES = 70, 16, 3


def data() -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(2)
    y = random.integers(0, CLASSES, SAMPLES)
    x = random.normal(size=(SAMPLES, 5)) + np.eye(CLASSES, 5)[y] + 3.0
    return x.astype("float32"), y


def network() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((5,)),
            layers.Dense(8, kernel_regularizer=keras.regularizers.L2(0.5)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(0.05), "sparse_categorical_crossentropy")
    return model


def figures(probabilities: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    right = probabilities[np.arange(len(y)), y].astype(np.float64)
    return float(-np.log(right).mean()), float(np.mean(probabilities.argmax(axis=1) == y))


def test_both_modes_without_the_penalty(runner_settings: Any) -> None:
    """Four whole batches of the seventy samples; the oracle trains the same network once more."""
    from gradscope.runner.loop.final_answers import final_answers
    from gradscope.runner.objective import objective

    model, (x, y) = network(), data()
    model.fit(x, y, batch_size=BATCH, epochs=2, verbose=0, shuffle=False)
    before = [np.array(weight) for weight in model.get_weights()]
    goal = objective.for_model("auto", model, model(x[:BATCH]), y[:BATCH], "softmax")
    [answers] = final_answers(model, (x, y), goal, batch_size=BATCH)
    after = model.get_weights()
    assert all(np.array_equal(a, b) for a, b in zip(before, after, strict=True))

    used = SAMPLES // BATCH * BATCH
    assert answers is not None
    assert answers.samples == used == 64
    inference = figures(np.asarray(model(x[:used], training=False)), y[:used])
    parts = [slice(start, start + BATCH) for start in range(0, used, BATCH)]
    training = np.concatenate([np.asarray(model(x[part], training=True)) for part in parts])
    # Float32 probabilities: a mean of 64 logarithms of them.
    close = {"rel": 64 * 2.0**-24}
    assert answers.inference_loss == pytest.approx(inference[0], **close)
    assert answers.training_loss == pytest.approx(figures(training, y[:used])[0], **close)
    assert answers.inference_accuracy == inference[1]
    assert answers.training_accuracy == figures(training, y[:used])[1]


def test_a_run_keeps_them_and_trains_as_without(runner_settings: Any) -> None:
    from gradscope.runner.sources import batches

    training = {"steps": 6, "batch_size": BATCH, "probe_samples": 40}
    record = api.run({"training": training, "seed": 1}, model=network(), data=data())
    assert record.answers is not None
    assert record.answers.samples == 32
    assert 0.0 < record.answers.training_loss < 10.0
    small = api.run(
        {"training": training | {"probe_samples": 8}, "seed": 1}, model=network(), data=data()
    )
    assert small.answers is not None
    assert small.answers.samples == 8
    assert record.objective_start is not None
    assert record.objective_start.constant is not None
    y = batches.batches(data(), BATCH, 1).probe(40)[1][:32]
    answer = np.array(record.objective_start.constant.values)
    expected = -np.log(answer[y] / answer.sum()).mean()
    assert record.answers.constant_loss == pytest.approx(expected, rel=1e-5)
