"""A prediction by draws leaves a trained model, its optimizer and all generators as they were."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import gradscope
from tests.integrations.training import BATCH, MODELS, assert_same, bits, compiled, data

pytestmark = pytest.mark.tensorflow


def _state(model: Any) -> dict[str, bytes]:
    """Every value that a later step of training depends on, to the bit."""
    variables = [*model.variables, *model.optimizer.variables, *model.metrics_variables]
    kept = {f"{at}:{v.path}": np.array(v).tobytes() for at, v in enumerate(variables)}
    generators = repr(random.getstate()), repr(np.random.get_state())
    return kept | {"generators": "".join(generators).encode()}


def test_a_prediction_changes_no_bit_of_the_training_that_follows(tensorflow_once: Any) -> None:
    """Batch norm, dropout, and Adam with its moments after an epoch."""
    given = data(MODELS["cnn"])
    fit = {"batch_size": BATCH, "verbose": 0}
    results = []
    for draws in (0, 8):
        model = compiled(MODELS["cnn"])
        assert "dropout" in {layer.name.partition("_")[0] for layer in model.layers}
        model.fit(*given, epochs=1, **fit)
        before = _state(model)
        assert any("seed" in name for name in before)
        assert len(model.optimizer.variables) > len(model.trainable_variables)
        if draws:
            forecast = gradscope.predict(model=model, data=given, draws=draws)
            assert forecast.prediction.preactivation_band is not None
        after = _state(model)
        assert [name for name in before if before[name] != after[name]] == []
        results.append(bits(model, model.fit(*given, epochs=2, **fit)))
    assert_same(*results)
