"""How findings name layers and rates."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_LISTED = 3
_KERAS = (
    (r"model\.output\.activation: (\w+)", r'activation="\1" in the output layer'),
    (r"model\.output\.units: (\d+)", r"\1 units in the output layer"),
    (r"model\.activation: (\w+)", r'activation="\1"'),
    (r"model\.initializer: (\w+)", r'kernel_initializer="\1"'),
    (r"model\.initializer", "kernel_initializer"),
    (r"model\.bias_initializer: (\w+)", r'bias_initializer="\1"'),
    (r"model\.batch_norm with input: true", "a BatchNormalization right after the input"),
    (r"data\.scaling: standardize", "features scaled to mean 0 and standard deviation 1"),
    (r"training\.loss: (\w+)", r'loss="\1"'),
)
"""Keys of gradscope's own network, and Keras's words for the same in a model of the user's."""


def named(names: Sequence[str], positions: Sequence[int]) -> str:
    """Name layers shortly: ``hidden_1``, ``hidden_1 to hidden_14``, ``hidden_2 and hidden_5``.

    `positions` are the layers' places among their kind, ascending; neighbours make a run.
    """
    if len(names) == 1:
        return names[0]
    if positions[-1] - positions[0] == len(names) - 1:
        return f"{names[0]} to {names[-1]}"
    if len(names) <= _LISTED:
        return f"{', '.join(names[:-1])} and {names[-1]}"
    return f"{len(names)} layers from {names[0]} to {names[-1]}"


def per_layer(rate: float, suffix: str = "") -> str:
    """` (x0.71 per layer)`, or nothing where layers without a figure leave no rate to tell."""
    return f" (x{rate:.2g} per layer{suffix})" if math.isfinite(rate) else ""


def in_keras_words(remedy: str) -> str:
    """A remedy in the words of a Keras model, which no key of the config describes."""
    for key, words in _KERAS:
        remedy = re.sub(key, words, remedy)
    return remedy
