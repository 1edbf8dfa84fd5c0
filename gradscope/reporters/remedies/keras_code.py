"""Settings as code of a Keras model: keyword arguments, or words where they are none."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

KERAS_CODE: Final[Mapping[str, str]] = {
    "model.activation": 'activation="{}"',
    "model.initializer": 'kernel_initializer="{}"',
    "model.bias_initializer": 'bias_initializer="{}"',
    "model.batch_norm.momentum": "momentum={}",
    "model.dropout": "Dropout({})",
    "model.batch_norm.input": "a BatchNormalization right after the input",
    "model.output.activation": 'activation="{}" in the output layer',
    "model.output.units": "{} units in the output layer",
    "data.scaling": "features scaled to mean 0 and standard deviation 1",
    "training.loss": 'loss="{}"',
    "training.learning_rate": "learning_rate={}",
    "training.optimizer.weight_decay": "weight_decay={}",
    "training.optimizer.clipnorm": "clipnorm={}",
    "training.optimizer.clipvalue": "clipvalue={}",
    "training.optimizer.global_clipnorm": "global_clipnorm={}",
}
"""By key of the config; `{}` is the value."""
