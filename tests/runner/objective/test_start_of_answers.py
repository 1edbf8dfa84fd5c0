"""Answers without a slope, and the start under constraints, beside numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runner.objective.test_start import COIN, X, dense, measured, own_squares

pytestmark = pytest.mark.tensorflow


def clipped(y: Any, p: Any) -> Any:
    """A squared error of answers that are held within 0 and 1."""
    from keras import ops

    return ops.mean(ops.square(ops.clip(p, 0.0, 1.0) - y), axis=-1)


def cut_off(y: Any, p: Any) -> Any:
    """A squared error of which outliers have no more than 0.25: flat within 0 to 1, too."""
    from keras import ops

    return ops.mean(ops.minimum(ops.square(p - y), 0.25), axis=-1)


def test_answers_beyond_a_clip_have_no_slope() -> None:
    facts, model = measured(clipped, COIN, dense(1))
    answers = model(X).numpy().astype(float)
    beyond = (answers < 0.0) | (answers > 1.0)
    assert 0.1 < beyond.mean() < 0.9
    flat = facts.flat
    assert flat.share == pytest.approx(beyond.mean())
    assert flat.start == pytest.approx(np.mean((np.clip(answers, 0, 1) - COIN) ** 2), rel=1e-5)
    rest = np.where(beyond, COIN, answers)
    assert flat.rest == pytest.approx(np.mean((rest - COIN) ** 2), rel=1e-5)
    assert flat.right == 0.0


def test_nothing_is_said_of_other_outputs() -> None:
    assert measured(own_squares, COIN, dense(1))[0].flat is None
    assert measured(cut_off, COIN, dense(1))[0].flat is None
    assert measured(clipped, COIN, dense(1, "relu"))[0].flat is None
    assert measured(clipped, 2.5 + COIN, dense(1))[0].flat is None  # no classes


def test_the_start_under_a_constraint() -> None:
    import keras

    bounded = keras.layers.Dense(3, kernel_constraint=keras.constraints.MaxNorm(0.01))
    facts, model = measured(own_squares, COIN, bounded, dense(1))
    first, last = (np.asarray(layer.kernel).astype(float) for layer in model.layers)
    held = first * np.minimum(1.0, 0.01 / np.sqrt((first**2).sum(axis=0)))
    fact = facts.constrained
    for kernel, size, deviation in (
        (first, fact.rms, fact.deviation),
        (held, fact.constrained_rms, fact.constrained_deviation),
    ):
        z = X.astype(float) @ kernel @ last
        assert size == pytest.approx(np.sqrt(np.mean(z**2)), rel=1e-4)
        assert deviation == pytest.approx(np.sqrt(np.mean((z - z.mean(axis=0)) ** 2)), rel=1e-4)
    assert fact.constrained_loss == pytest.approx(np.mean((z - COIN) ** 2), rel=1e-4)
    assert measured(own_squares, COIN, dense(1))[0].constrained is None
