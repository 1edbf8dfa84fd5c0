"""A SELU network that is no plain stack, for `selu_shortcuts.yaml`."""

from __future__ import annotations

import keras
from keras import layers


def around(
    blocks: int = 10, width: int = 100, features: int = 100, classes: int = 10
) -> keras.Model:
    """SELU layers `x + selu(W x)`, each with a shortcut around it, behind one without."""
    given = keras.Input((features,))
    asked = {"activation": "selu", "kernel_initializer": "lecun_normal"}
    x = layers.Dense(width, name="enter", **asked)(given)
    for block in range(1, blocks + 1):
        branch = layers.Dense(width, name=f"block_{block}", **asked)(x)
        x = layers.Add(name=f"sum_{block}")([x, branch])
    return keras.Model(given, layers.Dense(classes, activation="softmax", name="classes")(x))
