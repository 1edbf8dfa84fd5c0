"""What the network is trained to do: the loss, and the labels in the form that loss needs."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.catalog.losses import LOSSES
from gradscope.datasets.samples import Samples
from gradscope.errors import BadRequest

Targets = npt.NDArray[Any]


@dataclass(frozen=True)
class Objective:
    """A Keras loss with training and test targets, and the accuracy of a batch.

    `accuracy(targets, outputs)` is a float64 scalar tensor: the share of right classes, NaN for
    real targets.
    """

    loss_name: str
    loss: Any
    targets: Targets
    test_targets: Targets
    accuracy: Callable[[Any, Any], Any]


def choose(asked: str, output_activation: str, units: int, samples: Samples) -> Objective:
    """Settle the loss (``auto``: from the output layer and the labels) and shape the labels for it.

    Softmax trains on cross-entropy, sigmoid on binary cross-entropy, anything else on the mean
    squared error. Raises `BadRequest` when the labels cannot be put in the form the loss needs.
    """
    name = asked if asked != "auto" else _auto(output_activation, samples.task)
    entry = LOSSES[name]
    _refuse_misfits(name, entry.target, units, samples)
    return Objective(
        loss_name=name,
        loss=getattr(keras.losses, entry.keras_class)(),
        targets=_targets(entry.target, samples.y, units, samples),
        test_targets=_targets(entry.target, samples.y_test, units, samples),
        accuracy=_accuracy if samples.task == "classification" else _no_accuracy,
    )


def _auto(output_activation: str, task: str) -> str:
    if task == "classification" and output_activation == "softmax":
        return "sparse_categorical_crossentropy"
    if task == "classification" and output_activation == "sigmoid":
        return "binary_crossentropy"
    return "mean_squared_error"


def _refuse_misfits(name: str, form: str, units: int, samples: Samples) -> None:
    classes = samples.classes
    if samples.task == "regression":
        width = 1 if samples.y.ndim == 1 else samples.y.shape[1]
        if form == "class_index":
            raise BadRequest(
                f"training.loss: {name} needs class labels, and these targets are real values",
                "use loss: auto (mean_squared_error)",
            )
        if units != width:
            raise BadRequest(
                f"model.output.units: {units}, but each sample has {width} target value(s)",
                f"use units: auto or units: {width}",
            )
        return
    needed = int(classes or 0)
    fits = units >= needed if form == "class_index" else units == needed or _single(units, needed)
    if not fits:
        raise BadRequest(
            f"model.output.units: {units} does not fit {needed} classes with loss {name}",
            f"use units: auto or units: {needed}",
        )


def _single(units: int, classes: int) -> bool:
    return units == 1 and classes == 2


def _targets(form: str, labels: Targets, units: int, samples: Samples) -> Targets:
    if samples.task == "regression":
        return labels.astype(np.float32).reshape(len(labels), -1)
    if form == "class_index":
        return labels.astype(np.int64)
    if units == 1:
        return labels.astype(np.float32)[:, np.newaxis]
    return np.eye(units, dtype=np.float32)[labels]


def _accuracy(targets: Any, outputs: Any) -> Any:
    if outputs.shape[-1] == 1:
        right = tf.cast(outputs > 0.5, tf.float64) == tf.cast(targets, tf.float64)
    else:
        labels = targets if targets.shape.rank == 1 else tf.argmax(targets, -1)
        right = tf.argmax(outputs, -1) == tf.cast(labels, tf.int64)
    return tf.reduce_mean(tf.cast(right, tf.float64))


def _no_accuracy(targets: Any, outputs: Any) -> Any:
    return tf.constant(math.nan, tf.float64)
