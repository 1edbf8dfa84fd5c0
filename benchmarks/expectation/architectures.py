"""Ten architectures that took no part in the design, small, as their authors make them.

Each is healthy at initialisation by its own design. They are made from their descriptions.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.expectation.graphs import CLASSES, SAMPLES, WORDS, Graph, images, rows, tokens


def fields() -> tuple[Any, Any]:
    """A table of eight numbers and three categories."""
    rng = np.random.default_rng(5)
    numbers = rng.normal(size=(SAMPLES, 8)).astype("float32")
    categories = rng.integers(0, WORDS, (SAMPLES, 3)).astype("int32")
    return {"numbers": numbers, "categories": categories}, rng.integers(0, CLASSES, SAMPLES)


def pairs() -> tuple[Any, Any]:
    """Two images each, and whether both are of one class."""
    x, y = images()
    other = np.roll(np.arange(len(x)), 1)
    return {"left": x, "right": x[other]}, (y == y[other]).astype("int32")


def sentences() -> tuple[Any, Any]:
    """Words to read, and the first half of them to answer with, shifted by one."""
    x, _ = tokens()
    return {"source": x, "target": x[:, :12]}, x[:, 1:13]


def wavenet(blocks: int = 6, channels: int = 24) -> Any:
    """Gated dilated causal convolutions, residual and skip paths (van den Oord et al. 2016)."""
    import keras
    from keras import layers

    start = keras.Input((28, 28))
    x = layers.Conv1D(channels, 2, padding="causal")(start)
    skips = []
    for block in range(blocks):
        options = {"padding": "causal", "dilation_rate": 2 ** (block % 4)}
        value = layers.Conv1D(channels, 2, activation="tanh", **options)(x)
        gate = layers.Conv1D(channels, 2, activation="sigmoid", **options)(x)
        y = layers.Multiply()([value, gate])
        skips.append(layers.Conv1D(channels, 1)(y))
        x = layers.Add()([x, layers.Conv1D(channels, 1)(y)])
    y = layers.ReLU()(layers.Add()(skips))
    y = layers.Conv1D(channels, 1, activation="relu")(y)
    y = layers.GlobalAveragePooling1D()(y)
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(y))


def bilstm_attention(units: int = 24) -> Any:
    """A bidirectional LSTM over words, and a weighted mean over its states (Zhou et al. 2016)."""
    import keras
    from keras import layers

    start = keras.Input((32,), dtype="int32")
    x = layers.Embedding(WORDS, 32)(start)
    x = layers.Bidirectional(layers.LSTM(units, return_sequences=True))(x)
    scores = layers.Dense(1, use_bias=False)(layers.Dense(units, activation="tanh")(x))
    weights = layers.Softmax(axis=1)(scores)
    x = layers.Dot(axes=1)([weights, x])
    x = layers.Dropout(0.2)(layers.Flatten()(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


def gated_residual(blocks: int = 4, width: int = 32) -> Any:
    """Gated residual networks over numbers and categories (Lim et al. 2019)."""
    import keras
    from keras import layers

    numbers = keras.Input((8,), name="numbers")
    categories = keras.Input((3,), dtype="int32", name="categories")
    words = layers.Flatten()(layers.Embedding(WORDS, 8)(categories))
    x = layers.Dense(width)(layers.Concatenate()([numbers, words]))
    for _ in range(blocks):
        y = layers.Dense(width)(layers.Dense(width, activation="elu")(x))
        y = layers.Dropout(0.1)(y)
        y = layers.Multiply()([layers.Dense(width)(y), layers.Dense(width, "sigmoid")(y)])
        x = layers.LayerNormalization()(layers.Add()([x, y]))
    return keras.Model([numbers, categories], layers.Dense(CLASSES, activation="softmax")(x))


def convnext(blocks: int = 4, channels: int = 24, scale: float = 1e-6) -> Any:
    """ConvNeXt: depthwise 7 x 7, a norm, two Dense layers, a layer scale (Liu et al. 2022)."""
    import keras
    from keras import layers

    law = keras.initializers.TruncatedNormal
    start = keras.Input((28, 28, 1))
    x = layers.Conv2D(channels, 4, strides=4, kernel_initializer=law(stddev=0.02))(start)
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    for _ in range(blocks):
        y = layers.DepthwiseConv2D(7, padding="same", depthwise_initializer=law(stddev=0.02))(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(4 * channels, activation="gelu", kernel_initializer=law(stddev=0.02))(y)
        y = layers.Dense(channels, kernel_initializer=law(stddev=0.02))(y)
        y = layers.EinsumDense(
            "...c,c->...c",
            (channels,),
            kernel_initializer=keras.initializers.Constant(scale),
        )(y)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


def squeezenet() -> Any:
    """Fire modules: few channels of 1 x 1, then 1 x 1 beside 3 x 3 (Iandola et al. 2016)."""
    import keras
    from keras import layers

    def fire(x: Any, few: int, many: int) -> Any:
        options = {"activation": "relu", "padding": "same"}
        x = layers.Conv2D(few, 1, **options)(x)
        sides = [layers.Conv2D(many, size, **options)(x) for size in (1, 3)]
        return layers.Concatenate()(sides)

    start = keras.Input((28, 28, 1))
    x = layers.Conv2D(24, 3, strides=2, activation="relu")(start)
    x = layers.MaxPooling2D(3, 2, padding="same")(x)
    for few, many in ((8, 16), (8, 16), (12, 24), (12, 24)):
        x = fire(x, few, many)
    x = layers.Conv2D(CLASSES, 1, activation="relu")(layers.Dropout(0.5)(x))
    return keras.Model(start, layers.Softmax()(layers.GlobalAveragePooling2D()(x)))


def siamese() -> Any:
    """One tower of convolutions on two images, and their distance (Koch et al. 2015)."""
    import keras
    from keras import layers

    tower = keras.Sequential([keras.Input((28, 28, 1))], name="tower")
    for filters in (8, 16, 32):
        tower.add(layers.Conv2D(filters, 3, activation="relu", kernel_initializer="he_normal"))
        tower.add(layers.MaxPooling2D())
    tower.add(layers.Flatten())
    tower.add(layers.Dense(32, activation="sigmoid"))
    left, right = (keras.Input((28, 28, 1), name=name) for name in ("left", "right"))
    distance = keras.ops.abs(tower(left) - tower(right))
    return keras.Model([left, right], layers.Dense(2, activation="softmax")(distance))


def inception(blocks: int = 3) -> Any:
    """Four ways through a block, joined, with batch norm (Szegedy et al. 2016)."""
    import keras
    from keras import layers

    def conv(x: Any, filters: int, size: int) -> Any:
        x = layers.Conv2D(filters, size, padding="same", use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization()(x))

    start = keras.Input((28, 28, 1))
    x = layers.MaxPooling2D()(conv(start, 12, 3))
    for _ in range(blocks):
        pooled = layers.AveragePooling2D(3, 1, padding="same")(x)
        ways = [conv(x, 8, 1), conv(conv(x, 6, 1), 8, 3), conv(conv(x, 4, 1), 8, 5)]
        x = layers.Concatenate()([*ways, conv(pooled, 8, 1)])
    x = layers.Dropout(0.3)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


def seq2seq(units: int = 24) -> Any:
    """A GRU reads, another writes and attends to what was read (Luong et al. 2015)."""
    import keras
    from keras import layers

    source = keras.Input((32,), dtype="int32", name="source")
    target = keras.Input((12,), dtype="int32", name="target")
    read, state = layers.GRU(units, return_sequences=True, return_state=True, name="reader")(
        layers.Embedding(WORDS, 16)(source)
    )
    words = layers.Embedding(WORDS, 16)(target)
    written = layers.GRU(units, return_sequences=True, name="writer")(words, initial_state=state)
    context = layers.Attention()([written, read])
    x = layers.Dense(units, activation="tanh")(layers.Concatenate()([context, written]))
    return keras.Model([source, target], layers.Dense(WORDS, activation="softmax")(x))


def vit(blocks: int = 3, width: int = 32) -> Any:
    """Patches as words, with learned positions, GELU and pre-norm (Dosovitskiy et al. 2021)."""
    import keras
    from keras import layers

    class Positions(layers.Layer):  # type: ignore[misc]
        def build(self, shape: tuple[int | None, ...]) -> None:
            law = keras.initializers.RandomNormal(stddev=0.02)
            self.places = self.add_weight(shape=shape[1:], initializer=law, name="places")

        def call(self, x: Any) -> Any:
            return x + self.places

    start = keras.Input((28, 28, 1))
    x = layers.Conv2D(width, 7, strides=7)(start)
    x = Positions()(layers.Reshape((16, width))(x))
    for _ in range(blocks):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(4, width // 4)(y, y)])
        y = layers.Dense(2 * width, activation="gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(start, layers.Dense(CLASSES, activation="softmax")(x))


def deep_and_cross(crosses: int = 3, width: int = 48) -> Any:
    """Cross layers beside a deep tower over embedded categories (Wang et al. 2017)."""
    import keras
    from keras import layers

    numbers = keras.Input((8,), name="numbers")
    categories = keras.Input((3,), dtype="int32", name="categories")
    words = layers.Flatten()(layers.Embedding(WORDS, 8)(categories))
    x0 = x = layers.Concatenate()([numbers, words])
    for _ in range(crosses):
        x = layers.Add()([x, layers.Multiply()([x0, layers.Dense(32)(x)])])
    y = x0
    for _ in range(3):
        y = layers.Dense(width, activation="relu")(y)
    x = layers.Concatenate()([x, y])
    return keras.Model([numbers, categories], layers.Dense(CLASSES, activation="softmax")(x))


ARCHITECTURES: dict[str, Graph] = {
    "wavenet": (wavenet, rows),
    "bilstm_attention": (bilstm_attention, tokens),
    "gated_residual": (gated_residual, fields),
    "convnext": (convnext, images),
    "squeezenet": (squeezenet, images),
    "siamese": (siamese, pairs),
    "inception": (inception, images),
    "seq2seq": (seq2seq, sentences),
    "vit": (vit, images),
    "deep_and_cross": (deep_and_cross, fields),
}
"""Each architecture's builder and its data."""
