"""Networks of papers that are no plain stack of Dense layers, as the gallery's configs name them.

All take 200 standard normal features and answer with 10 classes; none is compiled.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers

FEATURES, CLASSES = 200, 10


def _classified(features: Any, x: Any) -> keras.Model:
    return keras.Model(features, layers.Dense(CLASSES, activation="softmax", name="classes")(x))


def recurrent(
    cell: str = "rnn", steps: int = 50, units: int = 64, gain: float = 0.9
) -> keras.Model:
    """The features as `steps` time steps, read by a SimpleRNN or an LSTM.

    All singular values of the recurrent matrix (of the LSTM: of its four gates, side by side) are
    `gain`. The LSTM's forget gate starts at sigmoid(ln steps) (Tallec and Ollivier 2018).
    """
    features = keras.Input((FEATURES,))
    x = layers.Reshape((steps, FEATURES // steps), name="in_time")(features)
    recurrent_matrix = keras.initializers.Orthogonal(gain)
    if cell == "rnn":
        memory = layers.SimpleRNN(units, recurrent_initializer=recurrent_matrix, name="memory")
    else:
        bias = np.zeros((4, units), "float32")
        bias[1] = np.log(steps)  # input gate, forget gate, cell, output gate
        memory = layers.LSTM(
            units,
            recurrent_initializer=recurrent_matrix,
            unit_forget_bias=False,
            bias_initializer=lambda shape, dtype: keras.ops.convert_to_tensor(bias.ravel(), dtype),
            name="memory",
        )
    return _classified(features, memory(x))


def residual(blocks: int = 16, width: int = 256, norm: bool = True) -> keras.Model:
    """Blocks ``x + W relu(x)``, or ``x + W relu(norm(x))`` with batch norm in the branch."""
    features = keras.Input((FEATURES,))
    x = layers.Dense(width, kernel_initializer="lecun_normal", name="enter")(features)
    for block in range(1, blocks + 1):
        y = layers.BatchNormalization(name=f"norm_{block}")(x) if norm else x
        y = layers.ReLU(name=f"relu_{block}")(y)
        y = layers.Dense(width, kernel_initializer="he_normal", name=f"block_{block}")(y)
        x = layers.Add(name=f"sum_{block}")([x, y])
    return _classified(features, x)


def transformer(blocks: int = 6, width: int = 64, heads: int = 4, norm: str = "pre") -> keras.Model:
    """Transformer blocks over 20 places of 10 features: layer norm before or after each branch."""
    features = keras.Input((FEATURES,))
    x = layers.Dense(width, name="embed")(layers.Reshape((20, 10), name="places")(features))
    for block in range(1, blocks + 1):
        attention = layers.MultiHeadAttention(heads, width // heads, name=f"attention_{block}")
        inner = layers.Dense(width, activation="relu", name=f"inner_{block}")
        outer = layers.Dense(width, name=f"outer_{block}")
        for number in (1, 2):
            normalize = layers.LayerNormalization(name=f"norm{number}_{block}")
            y = normalize(x) if norm == "pre" else x
            y = attention(y, y) if number == 1 else outer(inner(y))
            x = layers.Add(name=f"sum{number}_{block}")([x, y])
            x = x if norm == "pre" else normalize(x)
    if norm == "pre":
        x = layers.LayerNormalization(name="last_norm")(x)
    return _classified(features, layers.GlobalAveragePooling1D(name="pool")(x))
