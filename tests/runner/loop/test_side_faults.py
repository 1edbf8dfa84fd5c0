"""A fault of the probe set or of the test set costs its own figures, never the run."""

from __future__ import annotations

import keras
import numpy as np
import pytest

import gradscope
from gradscope.runner.loop import probe
from gradscope.runner.loop.training import Experiment

pytestmark = pytest.mark.tensorflow

CONFIG = {
    "model": {"hidden": [8, 8]},
    "data": {"name": "moons"},
    "training": {"steps": 20, "batch_size": 16, "probe_samples": 64},
}


def planted(*arguments: object, **options: object) -> None:
    raise ValueError("planted")


@pytest.mark.parametrize(
    ("owner", "name", "computation"),
    [(probe.Probe, "look", "probe set"), (Experiment, "evaluate", "test set")],
)
def test_a_planted_fault(
    monkeypatch: pytest.MonkeyPatch, owner: object, name: str, computation: str
) -> None:
    sound = gradscope.run(CONFIG)
    monkeypatch.setattr(owner, name, planted)
    record = gradscope.run(CONFIG)
    assert [fault.computation for fault in record.faults] == [computation]
    assert "planted" in record.faults[0].traceback
    assert record.outcome == sound.outcome
    np.testing.assert_array_equal(record.scalars["loss"], sound.scalars["loss"])
    assert f"{computation}: crashed (ValueError: planted)" in gradscope.analyze(record).text()


def test_xor_is_analyzed() -> None:
    """The smallest classic: one of its four samples is all zeros."""
    keras.utils.set_random_seed(1)
    x = np.array([[0, 0], [0, 1], [1, 0], [1, 1]], np.float32)
    y = np.array([[0], [1], [1], [0]], np.float32)
    stack = [keras.layers.Dense(4, "sigmoid"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential(stack)
    model.compile("adam", "binary_crossentropy")
    config = {"training": {"steps": 60, "batch_size": 4}}
    report = gradscope.analyze(gradscope.run(config, model=model, data=(x, y)))
    assert report.prediction is not None
    assert report.prediction.outside == "some samples are all zeros"
    assert not report.faults
    assert not [v for v in report.diagnosis.verdicts if v.status == "crashed"]
    assert report.text()


@pytest.mark.parametrize("through", ["run", "fit"])
def test_pixels_that_are_whole_numbers_are_judged(through: str) -> None:
    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (320, 8, 8, 1)).astype("uint8")
    y = rng.integers(0, 2, (320, 1)).astype("float32")
    layers = keras.layers
    model = keras.Sequential(
        [layers.Flatten(), layers.Dense(64, activation="relu"), layers.Dense(1, "sigmoid")]
    )
    model.compile("sgd", "binary_crossentropy")
    if through == "run":
        report = gradscope.analyze(
            gradscope.run({"training": {"steps": 20}}, model=model, data=(x, y))
        )
    else:
        flow = gradscope.GradientFlow(every=2)
        model.fit(x, y, epochs=2, verbose=0, callbacks=[flow])
        report = flow.report
    verdict = next(v for v in report.diagnosis.verdicts if v.code == "GS404")
    (finding,) = verdict.findings
    assert "They go from 0 to 255" in finding.details
    # The rms of whole numbers drawn evenly from 0 to 255; 64 units tell it to sqrt(1 / 128).
    assert finding.observed == pytest.approx(np.sqrt(255 * 511 / 6), rel=0.3)
    assert "data.scaling" not in finding.cause
    assert report.prediction is None or "whole numbers" in report.prediction.outside


def test_tokens_are_not_judged_as_features() -> None:
    keras.utils.set_random_seed(1)
    x = np.random.default_rng(1).integers(0, 50, (320, 12))
    layers = keras.layers
    stack = [layers.Embedding(50, 8), layers.GlobalAveragePooling1D(), layers.Dense(8, "relu")]
    model = keras.Sequential([*stack, layers.Dense(1, "sigmoid")])
    model.compile("adam", "binary_crossentropy")
    y = (x[:, :1] > 25).astype("float32")
    record = gradscope.run({"training": {"steps": 10}}, model=model, data=(x, y))
    report = gradscope.analyze(record)
    verdict = next(v for v in report.diagnosis.verdicts if v.code == "GS404")
    assert verdict.reason == "the inputs are whole numbers"
