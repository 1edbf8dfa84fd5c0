"""The loss on the test set beside that of a constant answer on the same samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope import api
from gradscope.record import Severity

pytestmark = pytest.mark.tensorflow

CONSTANT = 0.4


class _SquaredError:
    """Mean squared error with the penalties of layers."""

    def loss(self, model: Any, x: Any, y: Any, outputs: Any, weights: Any) -> Any:
        import tensorflow as tf

        penalties = sum(model.losses, start=tf.constant(0.0))
        return tf.reduce_mean(tf.square(outputs[:, 0] - tf.cast(y, tf.float32))) + penalties


def _penalized() -> Any:
    import keras

    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(3.0))]
    )


def _constant_loss(y: Any, weights: Any) -> float:
    return float(np.mean(np.square(np.asarray(y, np.float64) - CONSTANT)))


def test_the_excess_is_the_mean_difference_over_pieces(tensorflow_once: Any) -> None:
    """In float64 numpy: 192 samples are 64 pieces of three, each spread over the test set."""
    from gradscope.runner.loop import evaluation

    objective: Any = _SquaredError()
    rng, model = np.random.default_rng(4), _penalized()
    x, y = rng.normal(size=(192, 4)), rng.normal(size=192)
    got = evaluation.excess_over_constant(
        model, objective, (x.astype("f4"), y.astype("f4")), 32, _constant_loss
    )
    kernel, bias = (np.asarray(weight, np.float64) for weight in model.get_weights())
    difference = (x @ kernel[:, 0] + bias - y) ** 2 - (y - CONSTANT) ** 2
    means = difference.reshape(3, 64).mean(0)
    assert got["test_excess"] == pytest.approx(difference.mean(), rel=1e-5)
    assert got["test_excess_error"] == pytest.approx(means.std(ddof=1) / 8, rel=1e-5)


@pytest.mark.parametrize(("samples", "constant"), [(29, CONSTANT), (192, np.nan)])
def test_what_cannot_be_known_is_left_out(
    samples: int, constant: float, tensorflow_once: Any
) -> None:
    from gradscope.runner.loop import evaluation

    objective: Any = _SquaredError()
    test = np.zeros((samples, 4), np.float32), np.zeros(samples, np.float32)
    got = evaluation.excess_over_constant(
        _penalized(), objective, test, 32, lambda y, weights: constant
    )
    assert got == {}


def _trained(order: Sequence[int]) -> Any:
    """A regression of 128 samples, in training 300 steps; `order` permutes their targets."""
    import keras

    rng = np.random.default_rng(0)
    x = rng.normal(size=(528, 12)).astype("float32")
    y = x[:, 0] * x[:, 1] + x[:, 2]
    model = keras.Sequential(
        [keras.Input((12,)), keras.layers.Dense(64, "relu"), keras.layers.Dense(1)]
    )
    model.compile(keras.optimizers.Adam(0.01), "mean_squared_error")
    train, test = (x[:128], y[:128][order]), (x[128:], y[128:])
    return gradscope.run({"training": {"steps": 300}}, model=model, data=(train, test))


def test_targets_of_other_samples_are_learned_by_heart(tensorflow_once: Any) -> None:
    permuted = api.analyze(_trained(np.random.default_rng(1).permutation(128).tolist()))
    found = permuted.diagnosis.with_severity(Severity.ERROR)
    assert [one.code for one in found] == ["GS602"], permuted.diagnosis.headline
    assert "by heart" in found[0].findings[0].message
    paired = api.analyze(_trained(range(128)))
    assert not paired.diagnosis.with_severity(Severity.ERROR), paired.diagnosis.headline
