"""Regressions of targets in the hundreds: slow for their size alone, and some that are not."""

from __future__ import annotations

import numpy as np
import pytest

from gradscope.record import Diagnosis, DiagnosisState
from tests.analyzer.programs.running import Data, actions, diagnosed, finding

pytestmark = pytest.mark.tensorflow


def boxes(samples: int = 600, side: int = 12) -> Data:
    """Images with a bright rectangle, and its edges in pixels of an image of 500 by 500."""
    random = np.random.default_rng(1)
    edges = np.sort(random.uniform(0.0, 1.0, (samples, 2, 2)), axis=2)
    centres = (np.arange(side) + 0.5) / side
    rows, columns = (
        (edges[:, axis, :1] < centres) & (centres < edges[:, axis, 1:]) for axis in (0, 1)
    )
    x = (rows[:, :, None] & columns[:, None]).reshape(samples, -1).astype("float32")
    return x, 500.0 * edges.reshape(samples, 4).astype("float32")


def standardized(data: Data) -> Data:
    """The remedy."""
    x, y = data
    return x, (y - y.mean()) / y.std()


def judged(data: Data, rate: float = 1e-3, steps: int = 400) -> Diagnosis:
    import keras
    from keras import layers

    hidden = [layers.Dense(48, activation="relu") for _ in range(2)]
    network = [*hidden, layers.Dense(data[1].shape[1])]
    return diagnosed(network, data, "mse", keras.optimizers.Adam(rate), steps)


def test_boxes_in_pixels() -> None:
    sick = judged(boxes())
    assert sick.verdict is DiagnosisState.WARNING
    assert sick.headline.startswith("The targets are unscaled: their rms is 272")
    assert actions(sick) == ["scale_targets"]
    assert finding(sick, "GS606").severity == "warning"
    assert judged(standardized(boxes())).verdict is DiagnosisState.HEALTHY


def test_a_rate_that_reaches_them() -> None:
    assert judged(boxes(), 0.02).verdict is DiagnosisState.HEALTHY


def test_noise_that_is_left_over() -> None:
    random = np.random.default_rng(1)
    x = random.normal(size=(2000, 6)).astype("float32")
    y = (150 * x[:, :1] + 200 * random.normal(size=(2000, 1))).astype("float32")
    diagnosis = judged((x, y), 1e-2, 600)
    assert "GS606" not in [verdict.code for verdict in diagnosis.verdicts if verdict.findings]
