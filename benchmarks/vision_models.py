"""Vision models of usual size at 64 x 64 pixels, and images that they can learn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

PIXELS, CLASSES = 64, 10
SHAPE = (PIXELS, PIXELS, 3)
_APPLICATIONS = {
    "resnet50v2": "ResNet50V2",
    "convnext_tiny": "ConvNeXtTiny",
    "densenet121": "DenseNet121",
}


def images(samples: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Noisy images of ten patterns, and their classes."""
    random = np.random.default_rng(0)
    patterns = random.normal(size=(CLASSES, *SHAPE)).astype(np.float32)
    classes = random.integers(0, CLASSES, samples)
    noise = random.normal(size=(samples, *SHAPE)).astype(np.float32)
    return patterns[classes] + noise, classes


def targets(name: str, x: npt.NDArray[np.float32], classes: npt.NDArray[np.int64]) -> Any:
    """The classes; for the U-Net the class of each pixel: whether its red is above zero."""
    return (x[..., 0] > 0).astype(np.int64) if name == "unet" else classes


def four_convolutions() -> Any:
    """Four convolutions of 32 filters and a global average."""
    import keras

    hidden = [
        keras.layers.Conv2D(
            32, 3, padding="same", activation="relu", kernel_initializer="he_normal"
        )
        for _ in range(4)
    ]
    head = [
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(CLASSES, activation="softmax"),
    ]
    return keras.Sequential([keras.Input(SHAPE), *hidden, *head])


def vit() -> Any:
    """A vision transformer: patches of 6 pixels, width 64, four pre-norm blocks of four heads."""
    import keras
    from keras import layers

    inputs = keras.Input(SHAPE)
    x = layers.Conv2D(64, 6, strides=6, name="patches")(inputs)
    x = layers.Reshape((-1, 64))(x)
    for _ in range(4):
        normed = layers.LayerNormalization(epsilon=1e-6)(x)
        attention = layers.MultiHeadAttention(num_heads=4, key_dim=64, dropout=0.1)(normed, normed)
        x = layers.Add()([attention, x])
        normed = layers.LayerNormalization(epsilon=1e-6)(x)
        hidden = layers.Dropout(0.1)(layers.Dense(128, activation="gelu")(normed))
        x = layers.Add()([layers.Dense(64, activation="gelu")(hidden), x])
    x = layers.Flatten()(layers.LayerNormalization(epsilon=1e-6)(x))
    for width in (2048, 1024):
        x = layers.Dropout(0.5)(layers.Dense(width, activation="gelu")(x))
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(x))


def unet() -> Any:
    """A U-Net of four scales, 32 to 256 filters, with batch norm and skip connections."""
    import keras
    from keras import layers

    def block(x: Any, filters: int) -> Any:
        for _ in range(2):
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.Activation("relu")(layers.BatchNormalization()(x))
        return x

    x = inputs = keras.Input(SHAPE)
    skips = []
    for filters in (32, 64, 128):
        skips.append(block(x, filters))
        x = layers.MaxPooling2D()(skips[-1])
    x = block(x, 256)
    for filters, skip in zip((128, 64, 32), reversed(skips), strict=True):
        x = layers.Conv2DTranspose(filters, 2, strides=2, padding="same")(x)
        x = block(layers.Concatenate()([x, skip]), filters)
    return keras.Model(inputs, layers.Conv2D(2, 1, activation="softmax")(x))


def _application(class_name: str) -> Callable[[], Any]:
    def build() -> Any:
        import keras

        make = getattr(keras.applications, class_name)
        return make(weights=None, input_shape=SHAPE, classes=CLASSES)

    return build


MODELS: dict[str, Callable[[], Any]] = {
    "conv4": four_convolutions,
    "vit": vit,
    "unet": unet,
    **{name: _application(class_name) for name, class_name in _APPLICATIONS.items()},
}
