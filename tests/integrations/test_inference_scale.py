"""What GS303 says of inference over depth, against Keras in inference mode."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow

DEPTH = 6


@pytest.fixture(scope="module")
def lagging(tensorflow_once: Any) -> tuple[Any, Any, Any]:
    """A ReLU network whose moving variances lag by two thirds in each layer; x; its record."""
    import keras

    from gradscope import GradientFlow

    keras.utils.set_random_seed(1)
    rng = np.random.default_rng(2)
    x = rng.standard_normal((2560, 50)).astype(np.float32)
    y = (x[:, :10].argmax(axis=1)).astype(np.int32)
    blocks = [
        layer
        for i in range(DEPTH)
        for layer in (
            keras.layers.Dense(64, use_bias=False, kernel_initializer=_normal(0.09, i)),
            keras.layers.BatchNormalization(name=f"norm_{i + 1}"),
            keras.layers.ReLU(),
        )
    ]
    model = keras.Sequential(
        [keras.Input((50,)), *blocks, keras.layers.Dense(10, activation="softmax")]
    )
    model.compile("sgd", "sparse_categorical_crossentropy")
    flow = GradientFlow(every=8)
    model.fit(x, y, batch_size=32, shuffle=False, verbose=0, callbacks=[flow])
    return model, x, flow.record


def _normal(stddev: float, seed: int) -> Any:
    import keras

    return keras.initializers.RandomNormal(0.0, stddev, seed=seed)


def test_the_signal_of_inference_is_about_as_large_as_told(lagging: Any) -> None:
    """The product leaves out that the moving means were those of the larger signal."""
    import keras

    import gradscope

    model, x, record = lagging
    diagnosis = gradscope.analyze(record).diagnosis
    [verdict] = [v for v in diagnosis.verdicts if v.name == "batch_norm_inference_gap"]
    assert verdict.findings
    told = float(re.findall(r"is about x([\d.]+) of training's", verdict.findings[0].message)[0])
    last = keras.Model(model.inputs[0], model.get_layer(f"norm_{DEPTH}").output)
    inference, training = (np.std(last(x, training=mode), axis=0) for mode in (False, True))
    seen = float(np.exp(np.mean(np.log(inference / training))))
    assert seen < 0.5
    assert 0.5 < told / seen < 2.0
