"""The predicted profile against real Keras networks with a softmax and random labels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.analyzer.theory.expectation import expected
from gradscope.record import LayerInfo
from gradscope.theory.depth_recursion import predict
from tests.layers import layer_row

WIDTH, DEPTH, BATCH, NETWORKS, CLASSES = 128, 6, 32, 8, 10


def described(activation: str, initializer: str, placement: str | None) -> list[LayerInfo]:
    def dense(index: int, role: str, units: int, **facts: Any) -> LayerInfo:
        return layer_row(index, f"{role}_{index}", "Dense", role, units, WIDTH, units, **facts)

    facts = {"activation": activation, "initializer": initializer, "normalization": placement}
    hidden = [dense(i, "hidden", WIDTH, **facts) for i in range(DEPTH)]
    head = dense(DEPTH, "output", CLASSES, activation="softmax", initializer="glorot_uniform")
    return [*hidden, head]


def measure(seed: int, layers: list[LayerInfo]) -> tuple[Any, Any]:
    """ln E z^2 and ln E delta^2 per hidden layer of one Keras network on one batch."""
    import keras
    import tensorflow as tf

    keras.utils.set_random_seed(seed)
    rng = np.random.default_rng(seed)
    x = tf.constant(rng.standard_normal((BATCH, WIDTH)), tf.float32)
    labels = tf.constant(rng.integers(0, CLASSES, BATCH))
    sites = []
    with tf.GradientTape() as tape:
        tape.watch(x)
        for layer in layers[:-1]:
            z = keras.layers.Dense(WIDTH, kernel_initializer=layer.initializer)(x)
            if layer.normalization == "before_activation":
                z = keras.layers.BatchNormalization()(z, training=True)
            x = keras.activations.get(layer.activation)(z)
            if layer.normalization == "after_activation":
                x = keras.layers.BatchNormalization()(x, training=True)
            sites.append(z)
        logits = keras.layers.Dense(CLASSES)(x)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    deltas = tape.gradient(loss, sites)
    values = (
        np.log([np.mean(np.square(t.numpy(), dtype=np.float64)) for t in ts])
        for ts in (sites, deltas)
    )
    return tuple(values)


CASES = [
    ("relu", "he_normal", None),
    ("relu", "glorot_uniform", None),
    ("tanh", "orthogonal", None),
    ("relu", "he_uniform", "before_activation"),
    ("relu", "he_normal", "after_activation"),
    ("tanh", "glorot_normal", "after_activation"),
]


@pytest.mark.tensorflow
@pytest.mark.parametrize(("activation", "initializer", "placement"), CASES)
def test_keras_networks_agree(activation: str, initializer: str, placement: str | None) -> None:
    """Mean slope over networks within 3.5 standard errors and the bias of the finite width.

    The bias is kappa / (2 n) per layer with kappa <= 5, or 4 % of B / n and 1 % under batch norm.
    """
    layers = described(activation, initializer, placement)
    seen = predict(layers, input_second_moment=1.0, batch_norm_epsilon=1e-3, batch_size=BATCH)
    runs = [measure(seed, layers) for seed in range(NETWORKS)]
    bias = 2.5 / WIDTH if placement is None else 0.04 * BATCH / WIDTH + 0.01
    for which, gains in ((0, seen.forward_gain[1:-1]), (1, 1 / seen.backward_gain[:-2])):
        slopes = [float(run[which][-1] - run[which][0]) / (DEPTH - 1) for run in runs]
        error = float(np.std(slopes, ddof=1)) / math.sqrt(NETWORKS)
        assert abs(np.mean(slopes) - np.mean(np.log(gains))) < 3.5 * error + bias


MEASURED = {
    "relu": {"depth": 6, "width": 64, "activation": "relu", "initializer": "he_normal"},
    "tanh": {
        "depth": 4,
        "width": 48,
        "activation": "tanh",
        "initializer": {"name": "orthogonal", "gain": 1.5},
        "bias_initializer": {"name": "random_uniform", "minval": -0.4, "maxval": 0.4},
        "dropout": 0.1,
    },
    "norm": {"depth": 4, "width": 64, "batch_norm": "before_activation"},
}


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", MEASURED)
def test_runs_lie_in_the_band_of_their_mean(name: str, tensorflow_once: Any) -> None:
    """What `run` records at step 0 for six seeds, held against the bands that its record gives.

    Geometric means over the seeds, in the band for that many seeds and comparisons (a band that a
    right theory leaves once in a hundred); the record's own prediction is the command's.
    """
    data = {"name": "gaussian", "features": 40} if name == "norm" else {"name": "fashion_mini"}
    config = api.load_config(
        {
            "model": MEASURED[name],
            "data": data,
            "training": {"batch_size": 16, "steps": 1, "probe_samples": 16},
        }
    )
    forecast = api.predict(config).prediction
    records = list(api.run_seeds(config, range(6)))
    prediction = expected(records[0])
    assert prediction.no_band == prediction.outside == ""
    np.testing.assert_allclose(prediction.delta_relative, forecast.delta_relative, rtol=1e-6)
    hidden = list(records[0].indices("hidden"))
    signals = [one.series["preactivation_second_moment"][0, hidden] for one in records]
    deltas = [one.series["delta_second_moment"][0, hidden] for one in records]
    figures = (
        (signals, prediction.preactivation_band),
        ([delta / delta[-1] for delta in deltas], prediction.delta_band),
    )
    for values, band in figures:
        assert band is not None
        low, high = band.limits(seeds=6, comparisons=2 * len(hidden))
        mean = np.exp(np.mean(np.log(values), axis=0))
        count = len(hidden)
        assert np.all(mean >= low[:count] * (1 - 1e-6)), (mean, low)
        assert np.all(mean <= high[:count] * (1 + 1e-6)), (mean, high)
