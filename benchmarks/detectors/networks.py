"""The networks of the corpus that no config describes; one function, one Keras model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

IMAGE = 784


def stack(
    *,
    hidden: tuple[int, ...] = (64, 64),
    activation: Any = "relu",
    initializer: Any = "he_normal",
    inputs: int = IMAGE,
    outputs: int = 10,
    head: str | None = "softmax",
    l1: float = 0.0,
    l2: float = 0.0,
    frozen: int = 0,
    norm: str = "",
    between: Callable[[Any], Any] | None = None,
    at: int = 1,
) -> keras.Model:
    """Dense layers; the first `frozen` are not trained, `between` stands before number `at`."""
    penalty = keras.regularizers.L1L2(l1, l2) if l1 or l2 else None
    x = first = keras.Input((inputs,))
    for number, units in enumerate(hidden, start=1):
        if between is not None and number == at:
            x = layers.Lambda(between, name="between")(x)
        x = layers.Dense(
            units,
            activation=None if norm else activation,
            kernel_initializer=initializer,
            kernel_regularizer=penalty,
            trainable=number > frozen,
            name=f"dense_{number}",
        )(x)
        if norm:
            x = layers.LayerNormalization()(x) if norm == "layer" else x
            x = layers.BatchNormalization()(x) if norm == "batch" else x
            x = layers.Activation(activation)(x)
    x = layers.Dense(outputs, activation=head, name="head")(x)
    return keras.Model(first, x)


def divided() -> keras.Model:
    """Each row over its deviation, without an epsilon: a silent layer gives 0 / 0."""
    x = first = keras.Input((IMAGE,))
    x = layers.Dense(64, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.Dense(3, activation="relu", kernel_initializer="he_normal")(x)
    x = layers.Lambda(lambda z: z / tf.norm(z, axis=-1, keepdims=True))(x)
    return keras.Model(first, layers.Dense(10, activation="softmax")(x))


def cut(kind: str = "stop") -> keras.Model:
    """An operation without a derivative between the second and the third layer."""
    operations: dict[str, Callable[[Any], Any]] = {
        "stop": tf.stop_gradient,
        "argmax": lambda x: tf.one_hot(tf.argmax(x, -1), 32),
        "round": tf.round,
        "step": lambda x: tf.cast(x > 0, tf.float32),
        "sign": tf.sign,
        "integers": lambda x: tf.cast(tf.cast(10.0 * x, tf.int32), tf.float32),
        "none": lambda x: x,
    }
    return stack(hidden=(64, 32, 32), between=operations[kind], at=3)


def threshold_units(kind: str = "step") -> keras.Model:
    """Units that answer 0 or 1, as their activation."""
    step = {"step": lambda z: tf.cast(z > 0, tf.float32), "relu": tf.nn.relu}[kind]
    return stack(hidden=(64, 64), activation=step)


def shared_initializer(depth: int = 30, scale: float = 2.0, shared: bool = True) -> keras.Model:
    """One initializer instance for every layer: all of them start with the same weights."""
    x = first = keras.Input((IMAGE,))
    one = keras.initializers.VarianceScaling(scale, seed=1)
    for number in range(depth):
        each = one if shared else keras.initializers.VarianceScaling(scale, seed=number)
        x = layers.Dense(64, activation="relu", kernel_initializer=each)(x)
    return keras.Model(first, layers.Dense(10, activation="softmax")(x))


def cnn(
    *,
    filters: tuple[int, ...] = (8, 16),
    activation: str = "relu",
    norm: bool = False,
    dropout: float = 0.0,
    bias: float = 0.0,
    initializer: str = "he_normal",
    separable: bool = False,
    frozen: bool = False,
) -> keras.Model:
    """Convolutions with pooling over the images of clothes."""
    x = image = keras.Input((28, 28))
    x = layers.Reshape((28, 28, 1))(x)
    kind = layers.SeparableConv2D if separable else layers.Conv2D
    key = {} if separable else {"kernel_initializer": initializer}
    constant = keras.initializers.Constant(bias)
    for width in filters:
        conv = kind(
            width, 3, padding="same", bias_initializer=constant, trainable=not frozen, **key
        )
        x = conv(x)
        if norm:
            x = layers.BatchNormalization(momentum=0.9)(x)
        x = layers.Activation(activation)(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    if dropout:
        x = layers.Dropout(dropout)(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def convolutions(
    blocks: int = 4, filters: int = 8, shortcuts: bool = True, norm: bool = True
) -> keras.Model:
    """Pairs of convolutions, with shortcuts and norms (He et al. 2016) or without."""
    x = image = keras.Input((28, 28))
    x = layers.Reshape((28, 28, 1))(x)
    x = layers.Conv2D(filters, 3, strides=2, padding="same")(x)
    for _ in range(blocks):
        before = x
        for _ in range(2):
            x = layers.BatchNormalization(momentum=0.9)(x) if norm else x
            x = layers.ReLU()(x)
            x = layers.Conv2D(filters, 3, padding="same")(x)
        x = layers.Add()([x, before]) if shortcuts else x
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def residual(
    blocks: int = 12, width: int = 64, norm: str = "pre", gain: float = 2.0
) -> keras.Model:
    """Dense residual blocks: pre-norm, post-norm, or none."""
    x = first = keras.Input((IMAGE,))
    x = layers.Dense(width)(x)
    for number in range(blocks):
        start = {"kernel_initializer": keras.initializers.VarianceScaling(gain, seed=number)}
        y = layers.LayerNormalization()(x) if norm == "pre" else x
        y = layers.Dense(width, activation="relu", **start)(y)
        x = layers.Add()([x, layers.Dense(width)(y)])
        x = layers.LayerNormalization()(x) if norm == "post" else x
    x = layers.LayerNormalization()(x) if norm == "pre" else x
    return keras.Model(first, layers.Dense(10, activation="softmax")(x))


def recurrent(
    *,
    kind: str = "LSTM",
    units: int = 32,
    shape: tuple[int, int] = (28, 28),
    outputs: int = 10,
    stacked: bool = False,
    both_ways: bool = False,
    masked: bool = False,
    open_gate: bool = False,
    head: str = "softmax",
    gain: float = 1.0,
    **more: Any,
) -> keras.Model:
    """Recurrent layers over sequences."""
    x = first = keras.Input(shape)
    make = getattr(layers, kind)
    if masked:
        x = layers.Masking()(x)
    if stacked:
        x = make(units, return_sequences=True)(x)
    if open_gate:
        bias = np.zeros((4, units), "float32")
        bias[1] = np.log(shape[0])
        values = bias.ravel()
        more |= {
            "unit_forget_bias": False,
            "bias_initializer": lambda shape, dtype: keras.ops.convert_to_tensor(values, dtype),
        }
    if gain != 1.0:
        more["recurrent_initializer"] = keras.initializers.Orthogonal(gain, seed=1)
    cell = make(units, **more)
    x = layers.Bidirectional(cell)(x) if both_ways else cell(x)
    return keras.Model(first, layers.Dense(outputs, activation=head)(x))


def text(kind: str = "mean", words: int = 200, length: int = 20, outputs: int = 3) -> keras.Model:
    """An embedding, then its mean, an LSTM or a convolution."""
    x = first = keras.Input((length,), dtype="int64")
    x = layers.Embedding(words, 16)(x)
    if kind == "mean":
        x = layers.Dense(16, activation="relu")(layers.GlobalAveragePooling1D()(x))
    elif kind == "lstm":
        x = layers.LSTM(24)(x)
    else:
        x = layers.GlobalMaxPooling1D()(layers.Conv1D(24, 3, activation="relu")(x))
    return keras.Model(first, layers.Dense(outputs, activation="softmax")(x))


class _Position(layers.Layer):  # type: ignore[misc]
    def build(self, shape: Any) -> None:
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x: Any) -> Any:
        return x + self.vectors


def transformer(blocks: int = 2, width: int = 32, heads: int = 4, pre: bool = True) -> keras.Model:
    """Attention over the 28 rows of an image; the norm before the blocks or after them."""
    x = rows = keras.Input((28, 28))
    x = _Position()(layers.Dense(width)(x))
    for _ in range(blocks):
        y = layers.LayerNormalization()(x) if pre else x
        x = layers.Add()([x, layers.MultiHeadAttention(heads, width // heads)(y, y)])
        x = x if pre else layers.LayerNormalization()(x)
        y = layers.LayerNormalization()(x) if pre else x
        y = layers.Dense(width)(layers.Dense(2 * width, activation="gelu")(y))
        x = layers.Add()([x, y])
        x = x if pre else layers.LayerNormalization()(x)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x) if pre else x)
    return keras.Model(rows, layers.Dense(10, activation="softmax")(x))


def autoencoder(
    hidden: tuple[int, ...] = (64, 16, 64), head: str = "sigmoid", activation: str = "relu"
) -> keras.Model:
    """Pixels to pixels through a bottleneck."""
    return stack(hidden=hidden, activation=activation, outputs=IMAGE, head=head)


def plain_softmax(hidden: tuple[int, ...] = (64, 64), units: int = 10, **more: Any) -> keras.Model:
    """Softmax as the activation of the hidden layers too."""
    return stack(hidden=hidden, activation="softmax", outputs=units, **more)


def gated() -> keras.Model:
    """A stack whose signal is gated by itself: z times sigmoid(another z)."""
    x = first = keras.Input((IMAGE,))
    for _ in range(3):
        a = layers.Dense(48)(x)
        b = layers.Dense(48, activation="sigmoid")(x)
        x = layers.Multiply()([a, b])
    return keras.Model(first, layers.Dense(10, activation="softmax")(x))


def dense_net(blocks: int = 6, growth: int = 24) -> keras.Model:
    """Every layer sees all before it (Huang et al. 2017)."""
    x = first = keras.Input((IMAGE,))
    for _ in range(blocks):
        new = layers.Dense(growth, activation="relu", kernel_initializer="he_normal")(x)
        x = layers.Concatenate()([x, new])
    return keras.Model(first, layers.Dense(10, activation="softmax")(x))


def pooled(filters: tuple[int, ...] = (16, 32), activation: str = "relu") -> keras.Model:
    """Convolutions whose mean over all places is classified."""
    x = image = keras.Input((28, 28))
    x = layers.Reshape((28, 28, 1))(x)
    for width in filters:
        x = layers.Conv2D(width, 3, strides=2, activation=activation, padding="same")(x)
    return keras.Model(
        image, layers.Dense(10, activation="softmax")(layers.GlobalAveragePooling2D()(x))
    )


def rescaled(activation: str = "relu") -> keras.Model:
    """Raw pixels that the model itself brings to 0..1 before its first weights."""
    image = keras.Input((28, 28))
    x = layers.Flatten()(layers.Rescaling(1.0 / 255.0)(image))
    for _ in range(2):
        x = layers.Dense(64, activation=activation)(x)
    return keras.Model(image, layers.Dense(10, activation="softmax")(x))


def penalized(kind: str = "orthogonal") -> keras.Model:
    """A loss term that a layer adds: on its activations, or on units that are not orthogonal."""
    x = first = keras.Input((IMAGE,))
    penalty: dict[str, Any] = {"activity_regularizer": "l2"}
    if kind == "orthogonal":
        penalty = {"kernel_regularizer": keras.regularizers.OrthogonalRegularizer(0.01)}
    x = layers.Dense(64, activation="relu", **penalty)(x)
    return keras.Model(first, layers.Dense(10, activation="softmax")(x))


def convolved(activation: str = "relu") -> keras.Model:
    """One-dimensional convolutions over rows."""
    x = rows = keras.Input((28, 28))
    for width in (32, 32):
        x = layers.Conv1D(width, 5, activation=activation)(x)
    x = layers.GlobalMaxPooling1D()(x)
    return keras.Model(rows, layers.Dense(10, activation="softmax")(x))
