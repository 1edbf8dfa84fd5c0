"""A focal loss by hand on an output without activation, its repaired twin, and a hinge loss."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record import Diagnosis, DiagnosisState
from tests.analyzer.programs.running import Data, actions, diagnosed, finding

pytestmark = pytest.mark.tensorflow


def focal(y: Any, p: Any) -> Any:
    from keras import ops

    p = ops.clip(p, 1e-7, 1.0 - 1e-7)
    right = y * p + (1.0 - y) * (1.0 - p)
    return -ops.mean(ops.square(1.0 - right) * ops.log(right), axis=-1)


def hinge(y: Any, p: Any) -> Any:
    from keras import ops

    return ops.mean(ops.maximum(0.0, 1.0 - (2.0 * y - 1.0) * p), axis=-1)


def margins(samples: int = 1000) -> Data:
    random = np.random.default_rng(1)
    x = random.normal(size=(samples, 10)).astype("float32")
    return x, (x[:, :1] * x[:, 1:2] + x[:, 2:3] > 0).astype("float32")


def judged(loss: Any, activation: str | None) -> Diagnosis:
    import keras
    from keras import layers

    network = [layers.Dense(32, activation="relu"), layers.Dense(32, activation="relu")]
    last = layers.Dense(1, activation=activation)
    return diagnosed([*network, last], margins(), loss, keras.optimizers.Adam(3e-3), 200)


def test_a_focal_loss_of_logits() -> None:
    sick = judged(focal, None)
    result = finding(sick, "GS601")
    assert sick.verdicts[0].code == "GS601"
    assert "the loss takes probabilities" in sick.headline
    assert result.observed > 0.5
    assert actions(sick) == ["change_settings"]
    assert ("model.output.activation", "sigmoid") in sick.remedies[0].settings
    assert judged(focal, "sigmoid").verdict is DiagnosisState.HEALTHY


def test_a_loss_that_is_flat_where_answers_are_right() -> None:
    assert judged(hinge, None).verdict is DiagnosisState.HEALTHY
