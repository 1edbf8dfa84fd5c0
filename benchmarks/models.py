"""The two networks of the benchmark that are not Dense layers; images are 28 x 28."""

from __future__ import annotations

from typing import Any

CLASSES = 10


def small_cnn() -> Any:
    """Two convolutions of 16 and 32 filters, each with batch norm and pooling: a Keras model."""
    import keras
    from keras import layers

    def block(filters: int) -> list[Any]:
        convolution = layers.Conv2D(filters, 3, padding="same", activation="relu")
        return [convolution, layers.BatchNormalization(), layers.MaxPooling2D()]

    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            *block(16),
            *block(32),
            layers.Flatten(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def small_transformer() -> Any:
    """Two blocks (width 64, 4 heads of 16) over 28 tokens, the rows of an image: a Keras model."""
    import keras
    from keras import layers

    inputs = keras.Input((28, 28))
    x = layers.Dense(64)(inputs)
    for _ in range(2):
        normed = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(num_heads=4, key_dim=16)(normed, normed)])
        normed = layers.LayerNormalization()(x)
        hidden = layers.Dense(256, activation="relu")(normed)
        x = layers.Add()([x, layers.Dense(64)(hidden)])
    pooled = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(inputs, layers.Dense(CLASSES, activation="softmax")(pooled))
