"""Sick networks and data, as the configs beside this file name them: one fault each."""

from __future__ import annotations

import keras
import numpy as np
from keras import layers, ops

from gradscope.datasets.fashion_mini import fashion_mini

CLASSES = 10
Pair = tuple[np.ndarray, np.ndarray]


def negative_biases(bias: float = -10.0) -> keras.Model:
    """Three ReLU layers whose biases start at `bias`."""
    start = keras.initializers.Constant(bias)
    hidden = [
        layers.Dense(
            100, "relu", kernel_initializer="he_normal", bias_initializer=start, name=f"dense_{i}"
        )
        for i in (1, 2, 3)
    ]
    return keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(CLASSES, "softmax")]
    )


def wrong_softmax_axis(axis: int = 0) -> keras.Model:
    """A softmax over `axis`: 0 counts the samples of the batch, 1 the classes."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(100, "relu", kernel_initializer="he_normal", name="dense_1"),
            layers.Dense(100, "relu", kernel_initializer="he_normal", name="dense_2"),
            layers.Dense(CLASSES, name="logits"),
            layers.Softmax(axis=axis, name="softmax"),
        ]
    )


def selu_he(rate: float = 0.3) -> keras.Model:
    """Ten SELU layers with He's initialization and ordinary dropout."""
    hidden: list[keras.Layer] = []
    for i in range(1, 11):
        hidden.append(layers.Dense(100, "selu", kernel_initializer="he_normal", name=f"dense_{i}"))
        hidden.append(layers.Dropout(rate, name=f"dropout_{i}"))
    return keras.Sequential(
        [keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(CLASSES, "softmax")]
    )


def long_rnn(steps: int = 100, units: int = 32, gated: bool = False) -> keras.Model:
    """A SimpleRNN over `steps` time steps, or an LSTM whose forget gate starts open for them."""
    bias = np.zeros((4, units), "float32")
    bias[1] = np.log(steps)  # input gate, forget gate, cell, output gate
    lstm = layers.LSTM(
        units,
        unit_forget_bias=False,
        bias_initializer=lambda shape, dtype: ops.convert_to_tensor(bias.ravel(), dtype),
        name="memory",
    )
    return keras.Sequential(
        [
            keras.Input((steps, 4)),
            lstm if gated else layers.SimpleRNN(units, name="memory"),
            layers.Dense(4, "softmax", name="classes"),
        ]
    )


def latched(steps: int = 100, samples: int = 3000, seed: int = 3) -> tuple[Pair, Pair]:
    """Noise, but for its first time step, which shows the class (Bengio et al. 1994)."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 4, samples)
    x = rng.normal(size=(samples, steps, 4)).astype("float32")
    x[:, 0] = 2.0 * np.eye(4)[y]
    test = samples // 5
    return (x[test:], y[test:]), (x[:test], y[:test])


class Logarithm(layers.Layer):
    """The logarithm of each value."""

    def call(self, x: object) -> object:
        """log x; -inf where x is zero."""
        return ops.log(x)


def log_of_zero() -> keras.Model:
    """Two hidden layers behind the logarithm of the pixels."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            Logarithm(name="logarithm"),
            layers.Dense(100, "relu", kernel_initializer="he_normal", name="dense_1"),
            layers.Dense(100, "relu", kernel_initializer="he_normal", name="dense_2"),
            layers.Dense(CLASSES, "softmax", name="classes"),
        ]
    )


def shuffled_labels(shuffled: bool = True) -> tuple[Pair, Pair]:
    """Clothes whose labels were shuffled apart from the images, or belong to them."""
    data = fashion_mini()
    y = np.random.default_rng(0).permutation(data.y) if shuffled else data.y
    return (_scaled(data.x), y), (_scaled(data.x_test), data.y_test)


def _scaled(x: np.ndarray) -> np.ndarray:
    return ((x - 73.0) / 90.0).astype("float32")
