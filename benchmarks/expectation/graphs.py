"""Graphs of eighteen kinds, small: a function that builds each, and their data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradscope.datasets.fashion_mini import fashion_mini

CLASSES, SAMPLES = 10, 640
TOKENS, WORDS, WIDTH = 32, 64, 48


def images() -> tuple[Any, Any]:
    """Images of clothes, of mean 0 and variance 1."""
    clothes = fashion_mini()
    x = clothes.x[:SAMPLES].astype("float32")
    return ((x - x.mean()) / x.std())[..., None], clothes.y[:SAMPLES]


def tokens() -> tuple[Any, Any]:
    """Words of frequencies 1 / rank."""
    rng = np.random.default_rng(0)
    share = 1.0 / np.arange(1, WORDS + 1)
    x = rng.choice(WORDS, (SAMPLES, TOKENS), p=share / share.sum())
    return x.astype("int32"), rng.integers(0, CLASSES, SAMPLES)


def rows() -> tuple[Any, Any]:
    """The images as sequences of their rows."""
    x, y = images()
    return x[..., 0], y


def two_inputs() -> tuple[Any, Any]:
    """The images, and the sums of their rows."""
    x, y = images()
    sums = x[..., 0].sum(2)
    return {"image": x, "sums": (sums / sums.std()).astype("float32")}, y


def _head(x: Any) -> Any:
    from keras import layers

    return layers.Dense(CLASSES, activation="softmax", name="classes")(x)


def _image() -> Any:
    import keras

    return keras.Input((28, 28, 1), name="image")


def _convolution(filters: int, **options: Any) -> Any:
    from keras import layers

    given = {"padding": "same", "kernel_initializer": "he_normal"} | options
    return layers.Conv2D(filters, given.pop("size", 3), **given)


def cnn_max() -> Any:
    """Six convolutions with max pooling, two Dense layers."""
    import keras
    from keras import layers

    x = start = _image()
    for filters in (16, 32, 64):
        x = _convolution(filters, activation="relu")(x)
        x = _convolution(filters, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(64, "relu", kernel_initializer="he_normal")(layers.Flatten()(x))
    return keras.Model(start, _head(x))


def cnn_gap() -> Any:
    """Six convolutions, two of them with a stride, and a global average."""
    import keras
    from keras import layers

    x = start = _image()
    for at, filters in enumerate((16, 16, 32, 32, 64, 64)):
        x = _convolution(filters, activation="relu", strides=2 if at in (2, 4) else 1)(x)
    return keras.Model(start, _head(layers.GlobalAveragePooling2D()(x)))


def _residual(*, norm: bool, before: bool, blocks: int = 6, filters: int = 16) -> Any:
    """Residual blocks of two convolutions, the activation before or behind the sum."""
    import keras
    from keras import layers

    def normed(x: Any) -> Any:
        return layers.BatchNormalization()(x) if norm else x

    start = _image()
    x = _convolution(filters, strides=2)(start)
    for _ in range(blocks):
        y = x
        for half in range(2):
            if before:
                y = _convolution(filters)(layers.ReLU()(normed(y)))
            else:
                y = normed(_convolution(filters)(y))
                y = layers.ReLU()(y) if half == 0 else y
        x = layers.Add()([x, y])
        x = x if before else layers.ReLU()(x)
    x = layers.ReLU()(normed(x)) if before else x
    return keras.Model(start, _head(layers.GlobalAveragePooling2D()(x)))


def densenet() -> Any:
    """Two dense blocks of four layers, batch norm before each activation."""
    import keras
    from keras import layers

    start = _image()
    x = _convolution(16, strides=2)(start)
    for block in range(2):
        for _ in range(4):
            y = _convolution(8)(layers.ReLU()(layers.BatchNormalization()(x)))
            x = layers.Concatenate()([x, y])
        if block == 0:
            x = layers.AveragePooling2D(2)(_convolution(24, size=1)(x))
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(start, _head(layers.GlobalAveragePooling2D()(x)))


def unet() -> Any:
    """Two stages down and up, with what is passed across joined by concatenation."""
    import keras
    from keras import layers

    def twice(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = _convolution(filters, activation="relu")(x)
        return x

    start = _image()
    high = twice(start, 8)
    low = twice(layers.MaxPooling2D()(high), 16)
    x = twice(layers.MaxPooling2D()(low), 32)
    for filters, across in ((16, low), (8, high)):
        x = layers.Conv2DTranspose(filters, 2, strides=2)(x)
        x = twice(layers.Concatenate()([x, across]), filters)
    return keras.Model(start, _head(layers.GlobalAveragePooling2D()(x)))


def _embedded(start: Any) -> Any:
    from keras import layers

    return layers.Embedding(WORDS, WIDTH)(start)


def _transformer(*, before: bool, blocks: int = 3, heads: int = 4) -> Any:
    """Transformer blocks over words, the norm before the branch or behind the sum."""
    import keras
    from keras import layers

    start = keras.Input((TOKENS,), dtype="int32")
    x = _embedded(start)
    for _ in range(blocks):
        y = layers.LayerNormalization()(x) if before else x
        y = layers.MultiHeadAttention(heads, WIDTH // heads)(y, y)
        x = layers.Add()([x, y])
        x = x if before else layers.LayerNormalization()(x)
        y = layers.LayerNormalization()(x) if before else x
        y = layers.Dense(WIDTH)(layers.Dense(2 * WIDTH, "gelu")(y))
        x = layers.Add()([x, y])
        x = x if before else layers.LayerNormalization()(x)
    x = layers.LayerNormalization()(x) if before else x
    return keras.Model(start, _head(layers.GlobalAveragePooling1D()(x)))


def mixer() -> Any:
    """An MLP-Mixer over 16 patches."""
    import keras
    from keras import layers

    start = _image()
    x = layers.Reshape((16, WIDTH))(_convolution(WIDTH, size=7, strides=7)(start))
    for _ in range(3):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(16)(layers.Dense(32, "gelu")(y))
        x = layers.Add()([x, layers.Permute((2, 1))(y)])
        y = layers.Dense(2 * WIDTH, "gelu")(layers.LayerNormalization()(x))
        x = layers.Add()([x, layers.Dense(WIDTH)(y)])
    x = layers.LayerNormalization()(x)
    return keras.Model(start, _head(layers.GlobalAveragePooling1D()(x)))


def _recurrent(kind: str) -> Any:
    """Two recurrent layers over the rows of an image."""
    import keras
    from keras import layers

    cell = getattr(layers, kind)
    start = keras.Input((28, 28))
    return keras.Model(start, _head(cell(48)(cell(48, return_sequences=True)(start))))


def effnet() -> Any:
    """Inverted residuals with depthwise convolutions, and gates from a global average."""
    import keras
    from keras import layers

    def normed(x: Any) -> Any:
        return layers.Activation("swish")(layers.BatchNormalization()(x))

    start = _image()
    x = normed(_convolution(12, strides=2)(start))
    for _ in range(3):
        y = normed(_convolution(36, size=1)(x))
        y = normed(layers.DepthwiseConv2D(3, padding="same")(y))
        gate = layers.GlobalAveragePooling2D(keepdims=True)(y)
        gate = layers.Conv2D(4, 1, activation="swish")(gate)
        y = layers.Multiply()([y, layers.Conv2D(36, 1, activation="sigmoid")(gate)])
        y = layers.BatchNormalization()(_convolution(12, size=1)(y))
        x = layers.Add()([x, y])
    return keras.Model(start, _head(layers.GlobalAveragePooling2D()(x)))


def multi_input() -> Any:
    """Convolutions over an image beside Dense layers over its sums."""
    import keras
    from keras import layers

    image, sums = _image(), keras.Input((28,), name="sums")
    x = image
    for filters in (8, 16):
        x = layers.MaxPooling2D()(_convolution(filters, activation="relu")(x))
    y = sums
    for _ in range(3):
        y = layers.Dense(48, "relu", kernel_initializer="he_normal")(y)
    x = layers.Concatenate()([layers.Flatten()(x), y])
    x = layers.Dense(48, "relu", kernel_initializer="he_normal")(x)
    return keras.Model({"image": image, "sums": sums}, _head(x))


def depthwise() -> Any:
    """Depthwise and pointwise convolutions of he_normal, without a norm."""
    import keras
    from keras import layers

    start = _image()
    x = _convolution(16, strides=2, activation="relu")(start)
    for _ in range(4):
        x = layers.DepthwiseConv2D(3, padding="same", depthwise_initializer="he_normal")(x)
        x = _convolution(16, size=1, activation="relu")(x)
    return keras.Model(start, _head(layers.GlobalAveragePooling2D()(x)))


def residual_50() -> Any:
    """Fifty Dense residual blocks without a norm."""
    import keras
    from keras import layers

    start = keras.Input((28, 28))
    x = layers.Dense(32)(layers.Flatten()(start))
    for _ in range(50):
        y = layers.Dense(32, "relu", kernel_initializer="he_normal")(x)
        x = layers.Add()([x, layers.Dense(32)(y)])
    return keras.Model(start, _head(x))


Graph = tuple[Callable[[], Any], Callable[[], tuple[Any, Any]]]

GRAPHS: dict[str, Graph] = {
    "cnn_max": (cnn_max, images),
    "cnn_gap": (cnn_gap, images),
    "res_post_bn": (lambda: _residual(norm=True, before=False), images),
    "res_pre_bn": (lambda: _residual(norm=True, before=True), images),
    "res_post": (lambda: _residual(norm=False, before=False), images),
    "res_pre": (lambda: _residual(norm=False, before=True), images),
    "densenet": (densenet, images),
    "unet": (unet, images),
    "pre_ln": (lambda: _transformer(before=True), tokens),
    "post_ln": (lambda: _transformer(before=False), tokens),
    "mixer": (mixer, images),
    "rnn": (lambda: _recurrent("SimpleRNN"), rows),
    "lstm": (lambda: _recurrent("LSTM"), rows),
    "gru": (lambda: _recurrent("GRU"), rows),
    "effnet": (effnet, images),
    "multi_input": (multi_input, two_inputs),
    "depthwise": (depthwise, images),
    "residual_50": (residual_50, rows),
}
"""Each graph's builder and its data."""
