"""Networks of one's own, as a config's `model.factory` names them: one function, one Keras model.

They classify the images of clothes that come with gradscope, in 10 classes; `remembering` takes
sequences. None is compiled: the configs name the optimizer, and the loss follows from the softmax.
"""

from __future__ import annotations

import keras
import numpy as np
from keras import layers

CLASSES = 10


def cnn(filters: int = 16) -> keras.Model:
    """Two convolutions, a hidden Dense layer, dropout: the first network for images."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(filters, 3, activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(),
            layers.Conv2D(2 * filters, 3, activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu", kernel_initializer="he_normal"),
            layers.Dropout(0.3),
            layers.Dense(CLASSES, activation="softmax"),
        ],
        name="cnn",
    )


def residual(blocks: int = 4, filters: int = 8, shortcuts: bool = True) -> keras.Model:
    """Residual blocks of two convolutions (He et al. 2016), or the same stack without shortcuts.

    With them each block is `x + conv(relu(norm(conv(relu(norm(x))))))`; without them nothing is
    added and nothing normalized.
    """
    image = keras.Input((28, 28))
    x = layers.Reshape((28, 28, 1))(image)
    x = layers.Conv2D(filters, 3, strides=2, padding="same", name="stem")(x)
    for block in range(1, blocks + 1):
        shortcut = x
        for half in ("a", "b"):
            if shortcuts:
                x = layers.BatchNormalization(momentum=0.9, name=f"block{block}_{half}_norm")(x)
            x = layers.ReLU(name=f"block{block}_{half}_relu")(x)
            x = layers.Conv2D(filters, 3, padding="same", name=f"block{block}_{half}_conv")(x)
        if shortcuts:
            x = layers.Add(name=f"block{block}_add")([x, shortcut])
    x = layers.ReLU(name="last_relu")(x)
    x = layers.AveragePooling2D(2, name="pool")(x)
    x = layers.Flatten(name="flat")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="classes")(x)
    return keras.Model(image, x, name="residual")


def lstm(units: int = 48) -> keras.Model:
    """Two LSTMs that read an image as a sequence of its 28 rows."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.LSTM(units, return_sequences=True, name="lower"),
            layers.LSTM(units, name="upper"),
            layers.Dense(CLASSES, activation="softmax", name="classes"),
        ],
        name="lstm",
    )


def remembering(steps: int = 60, units: int = 32, gated: bool = False) -> keras.Model:
    """Remember the first of many time steps: a SimpleRNN, or an LSTM that forgets slowly.

    The LSTM's forget gate starts at sigmoid(ln steps), so that over all steps 1/e of the cell is
    left (Tallec and Ollivier 2018); Keras's own start, sigmoid(1) = 0.73, leaves 6e-9 of 60 steps.
    """
    if gated:
        bias = np.zeros((4, units), "float32")
        bias[1] = np.log(steps)  # input gate, forget gate, cell, output gate
        cell = layers.LSTM(
            units,
            unit_forget_bias=False,
            bias_initializer=lambda shape, dtype: keras.ops.convert_to_tensor(bias.ravel(), dtype),
            name="memory",
        )
    else:
        cell = layers.SimpleRNN(units, name="memory")
    return keras.Sequential(
        [keras.Input((steps, 4)), cell, layers.Dense(4, activation="softmax", name="classes")],
        name="remembering",
    )


class Position(layers.Layer):
    """Adds a learned vector to each place of a sequence."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make one vector per place."""
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x: object) -> object:
        """Add them to x [batch, place, feature]."""
        return x + self.vectors


def transformer(blocks: int = 2, width: int = 32, heads: int = 4) -> keras.Model:
    """Pre-norm transformer blocks (Xiong et al. 2020) over the 28 rows of an image."""
    rows = keras.Input((28, 28))
    x = layers.Dense(width, name="embed")(rows)
    x = Position(name="position")(x)
    for block in range(1, blocks + 1):
        y = layers.LayerNormalization(name=f"block{block}_norm1")(x)
        y = layers.MultiHeadAttention(heads, width // heads, name=f"block{block}_attention")(y, y)
        x = layers.Add(name=f"block{block}_add1")([x, y])
        y = layers.LayerNormalization(name=f"block{block}_norm2")(x)
        y = layers.Dense(2 * width, activation="gelu", name=f"block{block}_mlp_in")(y)
        y = layers.Dense(width, name=f"block{block}_mlp_out")(y)
        x = layers.Add(name=f"block{block}_add2")([x, y])
    x = layers.LayerNormalization(name="last_norm")(x)
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="classes")(x)
    return keras.Model(rows, x, name="transformer")


class Tower(keras.Model):
    """A subclassed model: one Dense layer that is called again and again, then a head of its own.

    Only its `call` knows the order of the layers; the shared layer appears once for each call.
    """

    def __init__(self, width: int = 64, calls: int = 3) -> None:
        super().__init__(name="tower")
        self.calls = calls
        self.flatten = layers.Flatten()
        self.enter = layers.Dense(width, activation="tanh", name="enter")
        self.shared = layers.Dense(width, activation="tanh", name="shared")
        self.head = keras.Sequential(
            [
                layers.Dense(width, activation="relu", kernel_initializer="he_normal", name="top"),
                layers.Dense(CLASSES, activation="softmax", name="classes"),
            ],
            name="head",
        )

    def call(self, x: object) -> object:
        """Classify images x [batch, 28, 28]."""
        x = self.enter(self.flatten(x))
        for _ in range(self.calls):
            x = self.shared(x)
        return self.head(x)


def subclassed(width: int = 64, calls: int = 3) -> keras.Model:
    """Make the subclassed model; it is built by its first batch."""
    return Tower(width, calls)


def two_inputs(width: int = 48) -> keras.Model:
    """A convolution over the image and a Dense layer over its sums, joined before the classes."""
    image = keras.Input((28, 28, 1), name="image")
    sums = keras.Input((56,), name="sums")
    a = layers.Conv2D(8, 5, strides=2, activation="relu", name="image_conv")(image)
    a = layers.Flatten(name="image_flat")(a)
    a = layers.Dense(width, activation="relu", name="image_dense")(a)
    b = layers.Dense(width, activation="relu", name="sums_dense")(sums)
    x = layers.Concatenate(name="joined")([a, b])
    x = layers.Dense(width, activation="relu", name="both_dense")(x)
    x = layers.Dense(CLASSES, activation="softmax", name="classes")(x)
    return keras.Model({"image": image, "sums": sums}, x, name="two_inputs")
