"""Models for the gate's proof that a config names as `model.factory`."""

from __future__ import annotations

import keras
from keras import layers

CLASSES = 10


def cnn(filters: int = 8) -> keras.Model:
    """Two convolutions and a hidden Dense layer on the images of clothes."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Reshape((28, 28, 1)),
            layers.Conv2D(filters, 3, strides=2, activation="relu", kernel_initializer="he_normal"),
            layers.Conv2D(2 * filters, 3, activation="relu", kernel_initializer="he_normal"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(32, activation="relu", kernel_initializer="he_normal"),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def chain(
    names: str = "block", fixed_seed: int = 0, copied: int = 0, loss_scale: float = 1.0
) -> keras.Model:
    """Six Dense layers for 100 features in 10 classes, compiled with SGD.

    The kernel of layer number `fixed_seed` (from 1; 0: none) is the same whatever the seed of the
    run, that of layer `copied` the same as the next one's. The loss is multiplied by `loss_scale`
    and the learning rate divided by it.
    """
    inputs = keras.Input((100,))
    x = inputs
    one_for_two = keras.initializers.HeNormal()
    for number in range(1, 7):
        initializer = keras.initializers.HeNormal()
        if number == fixed_seed:
            initializer = keras.initializers.HeNormal(seed=7)
        elif copied and number in (copied, copied + 1):
            initializer = one_for_two
        x = layers.Dense(
            64, activation="relu", kernel_initializer=initializer, name=f"{names}_{number}"
        )(x)
    outputs = layers.Dense(CLASSES, activation="softmax", name="classes")(x)
    model = keras.Model(inputs, outputs)
    entropy = keras.losses.SparseCategoricalCrossentropy()

    def scaled(y: object, predicted: object) -> object:
        return loss_scale * entropy(y, predicted)

    model.compile(keras.optimizers.SGD(0.01 / loss_scale), loss=scaled)
    return model
