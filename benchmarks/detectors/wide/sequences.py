"""Networks over sequences: recurrent, convolutional and with attention."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from benchmarks.detectors.wide.operations import Position
from benchmarks.detectors.wide.parts import Parts

Ends = tuple[Any, Any]


def _vectors(parts: Parts, shape: tuple[int, ...]) -> Ends:
    """The input, and a vector for each place: of words an embedding."""
    words = parts.get("words", 0)
    if not words:
        first = keras.Input(shape)
        return first, first
    first = keras.Input(shape, dtype="int64")
    return first, layers.Embedding(words, parts.get("width", 16))(first)


def attention_block(parts: Parts, x: Any) -> Any:
    """Attention and a feed-forward part, the norms before them or after them."""
    pre, width = parts.get("pre", True), x.shape[-1]
    y = layers.LayerNormalization()(x) if pre else x
    start = parts.made(layers.Dense, 1).kernel_initializer
    heads = layers.MultiHeadAttention(2, width // 2, kernel_initializer=start)
    x = layers.Add()([x, heads(y, y)])
    x = x if pre else layers.LayerNormalization()(x)
    y = layers.LayerNormalization()(x) if pre else x
    y = parts.dense(width, None)(parts.dense(2 * width, parts.get("activation", "gelu"))(y))
    x = layers.Add()([x, layers.Dropout(parts.get("dropout", 0.0))(y)])
    return x if pre else layers.LayerNormalization()(x)


def transformer(parts: Parts, shape: tuple[int, ...]) -> Ends:
    """Blocks of attention (Vaswani et al. 2017), then the mean; `each` answers at every place."""
    first, x = _vectors(parts, shape)
    x = x if parts.get("words", 0) else layers.Dense(parts.get("width", 16))(x)
    x = Position()(x)
    for _ in range(parts.get("depth", 1)):
        x = attention_block(parts, x)
    x = layers.LayerNormalization()(x) if parts.get("pre", True) else x
    return first, parts.head(x if parts.get("each", False) else layers.GlobalAveragePooling1D()(x))


def recurrent(parts: Parts, shape: tuple[int, ...]) -> Ends:
    """LSTM, GRU or simple recurrence, one way or both; `each` answers at every place."""
    first, x = _vectors(parts, shape)
    each, depth = parts.get("each", False), parts.get("depth", 1)
    for number in range(depth):
        cell = _cell(parts, each or number < depth - 1)
        x = layers.Bidirectional(cell)(x) if parts.get("both_ways", False) else cell(x)
    if parts.get("dense", 0):
        x = parts.dense(parts.get("dense", 0))(x)
    return first, parts.head(x)


def _cell(parts: Parts, sequences: bool) -> Any:
    kind = getattr(layers, parts.get("cell", "LSTM"))
    more: dict[str, Any] = {}
    if "recurrent" in parts.settings:
        more["recurrent_initializer"] = keras.initializers.Orthogonal(parts.get("recurrent", 1.0))
    if parts.get("forget", 0.0):
        size = parts.get("width", 16)
        more["bias_initializer"] = lambda shape, dtype=None: keras.ops.concatenate(
            [keras.ops.zeros(size), keras.ops.full((size,), parts.get("forget", 0.0)),
             keras.ops.zeros(2 * size)]
        )  # fmt: skip
        more["unit_forget_bias"] = False
    start = parts.get("initializer", None)
    if start is not None:
        more["kernel_initializer"] = parts.made(layers.Dense, 1).kernel_initializer
    return kind(parts.get("width", 16), return_sequences=sequences, **more)


def seq2seq(parts: Parts, shape: tuple[int, ...]) -> Ends:
    """An encoder whose last state starts a decoder; the decoder attends to the encoder's states."""
    first, x = _vectors(parts, shape)
    width = parts.get("width", 16)
    states, last = _cell(parts, True)(x), None
    last = layers.GlobalAveragePooling1D()(states)
    y = layers.RepeatVector(shape[0])(last)
    y = layers.Concatenate()([y, states]) if parts.get("attended", True) else y
    y = layers.GRU(width, return_sequences=True)(y)
    return first, parts.head(layers.TimeDistributed(parts.dense(width))(y))


def dilated(parts: Parts, shape: tuple[int, ...]) -> Ends:
    """Convolutions over time that look further back in each layer (Bai et al. 2018)."""
    first, x = _vectors(parts, shape)
    for number in range(parts.get("depth", 3)):
        x = parts.unit(
            x, layers.Conv1D, parts.get("width", 12), 3, padding="causal", dilation_rate=2**number
        )
    return first, parts.head(x if parts.get("each", False) else layers.GlobalAveragePooling1D()(x))
