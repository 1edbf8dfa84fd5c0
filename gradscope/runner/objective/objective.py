"""The training objective: the loss, and the labels in the form that the loss needs."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.catalog.losses import LOSSES, TargetForm, default_loss
from gradscope.datasets.samples import Samples
from gradscope.errors import BadRequest
from gradscope.runner.objective.output_graph import FactNotMeasured

Targets = npt.NDArray[Any]


@dataclass(frozen=True)
class Objective:
    """A loss, how labels are converted to its form, and the accuracy of a batch.

    `prepare(labels)` takes numpy arrays (nested for several outputs). ``loss(model, x, y, outputs,
    weights)`` is the mean loss per sample plus the losses that layers add.
    ``accuracy(y, outputs)`` is a float64 scalar, the share of right classes; NaN where there are no
    classes. ``data_loss(model, y, outputs, weights)`` is the loss without what layers add, for any
    answers; it takes no forward pass. `outputs` are the `OutputLosses` of a compiled model.
    """

    loss_name: str
    prepare: Callable[[Any], Any]
    loss: Callable[[Any, Any, Any, Any, Any], Any]
    accuracy: Callable[[Any, Any], Any]
    data_loss: Callable[[Any, Any, Any, Any], Any]
    outputs: Any = None


def for_samples(requested: str, output_activation: str, units: int, samples: Samples) -> Objective:
    """Choose the loss (``auto``: by the output layer and the labels) of the built-in network.

    Softmax trains on cross-entropy, sigmoid on binary cross-entropy, anything else on the mean
    squared error. Raises `BadRequest` when the labels do not fit the form that the loss needs.
    """
    form: TargetForm = "class_index" if samples.task == "classification" else "real"
    name = requested if requested != "auto" else default_loss(output_activation, form)
    entry = LOSSES[name]
    _refuse_misfits(name, entry.target, units, samples)
    prepare = partial(_targets, entry.target, units, samples.task)
    accuracy = _accuracy if samples.task == "classification" else _no_accuracy
    return _objective_of(name, prepare, accuracy)


def for_model(requested: str, model: Any, outputs: Any, y: Any, activation: str) -> Objective:
    """Choose the loss of a model of the user: the config's, the compiled one, or by its output.

    `outputs` and `y` are what the model gives for one batch and that batch's labels, `activation`
    the one of its output layer. Raises `BadRequest` when nothing determines the loss.
    """
    several = len(keras.tree.flatten(outputs)) > 1
    accuracy = _no_accuracy if several else fitting_accuracy(outputs, y)
    if y is None and not _has_own_loss(model):
        raise BadRequest(
            "the data has no targets, and the model no loss that does without them",
            "give (inputs, targets), or define the loss by add_loss or compute_loss and compile",
        )
    compiled = requested == "auto" and getattr(model, "compiled", False)
    if y is None or (compiled and (model.loss is not None or _has_own_loss(model))):
        return Objective("compiled", _as_is, _compiled_loss, accuracy, _compiled_data_loss)
    if several:
        raise BadRequest(
            "the model has several outputs and was not compiled with a loss",
            "compile it with a loss for each output",
        )
    name = requested if requested != "auto" else _by_output(activation, outputs, y)
    entry = LOSSES[name]
    units, classes = int(outputs.shape[-1]), entry.target in ("class_index", "one_hot", "binary")
    one_hot = entry.target == "one_hot" and _are_indices(outputs, y)
    prepare = partial(_one_hot, units) if one_hot else _as_is
    if classes and units == 1:
        prepare = _column
    return _objective_of(name, prepare, accuracy)


def _has_own_loss(model: Any) -> bool:
    """Whether a compiled model has a `compute_loss` of its own, or layers that add losses.

    Layers have added them in a forward pass that was made; penalties of regularizers do not count.
    """
    if not getattr(model, "compiled", False):
        return False
    overridden = type(model).compute_loss is not keras.Model.compute_loss
    return overridden or any(layer._get_own_losses() for layer in model._flatten_layers())


def compiled_objective(y: Any) -> Objective:
    """The objective of `model.fit` on a compiled model; `y` are the labels of one eager batch."""

    def accuracy(targets: Any, outputs: Any) -> Any:
        alone = hasattr(outputs, "shape") and hasattr(y, "shape")
        return (fitting_accuracy(outputs, y) if alone else _no_accuracy)(targets, outputs)

    return Objective("compiled", _as_is, _compiled_loss, accuracy, _compiled_data_loss)


def own_objective() -> Objective:
    """The objective of a model that trains itself: its loss is known to its `train_step` alone."""

    def unknown(*arguments: Any) -> Any:
        raise FactNotMeasured("the loss is that of the model's own train_step")

    return Objective("", _as_is, unknown, _no_accuracy, unknown)


def trained_outputs(goal: Objective, model: Any, x: Any, y: Any, outputs: Any) -> list[bool]:
    """Which of the model's outputs the loss depends on: a compiled loss may leave some out."""
    # Copies: Keras's cross-entropies would use the logits attached to the tensor of a softmax.
    flat = [tf.identity(tensor) for tensor in keras.tree.flatten(outputs)]
    if len(flat) == 1:
        return [True]
    with tf.GradientTape() as tape:
        tape.watch(flat)
        copies = keras.tree.pack_sequence_as(outputs, flat)
        loss = goal.loss(model, x, goal.prepare(y), copies, None)
    return [gradient is not None for gradient in tape.gradient(loss, flat)]


def refuse_unknown_classes(goal: Objective, model: Any, outputs: Any, labels: Any) -> None:
    """Raise `BadRequest` for class indices that the output layer has no unit for.

    A cross-entropy on indices would end in an error of TensorFlow, or under XLA in NaN.
    """
    if len(keras.tree.flatten(outputs)) > 1 or not _takes_indices(goal, model):
        return
    units, indices = int(outputs.shape[-1]), np.asarray(labels)
    lowest, highest = indices.min(), indices.max()
    if lowest < 0 or highest >= units:
        raise BadRequest(
            f"data: the labels run from {lowest} to {highest}, and the model's last layer has "
            f"{units} units, for classes 0 to {units - 1}",
            f"give it {int(highest) + 1} units" if lowest >= 0 else "number the classes from 0",
        )


def _takes_indices(goal: Objective, model: Any) -> bool:
    if goal.loss_name != "compiled":
        return goal.loss_name == "sparse_categorical_crossentropy"
    loss = model.loss
    if isinstance(loss, keras.losses.SparseCategoricalCrossentropy):
        return loss.ignore_class is None
    return loss in (
        "sparse_categorical_crossentropy",
        keras.losses.sparse_categorical_crossentropy,
    )


def _by_output(activation: str, outputs: Any, y: Any) -> str:
    if _are_indices(outputs, y):
        form: TargetForm = "class_index"
    else:  # labels shaped like the output: one probability per class or unit
        form = "one_hot" if activation in ("softmax", "sigmoid") else "real"
    if activation not in ("softmax", "sigmoid") and np.asarray(y).dtype.kind in "iub":
        raise BadRequest(
            "the model was not compiled, its last layer has no softmax or sigmoid, and the labels "
            "are integers: the loss cannot be guessed",
            "set training.loss, or compile the model",
        )
    return default_loss(activation, form)


def _are_indices(outputs: Any, y: Any) -> bool:
    labels = np.asarray(y)
    return labels.dtype.kind in "iub" and labels.shape != tuple(outputs.shape)


def fitting_accuracy(outputs: Any, y: Any) -> Callable[[Any, Any], Any]:
    """The accuracy of answers like `outputs` to labels like `y`, both of one array."""
    shape, labels = tuple(outputs.shape), np.asarray(y)
    if y is None:
        return _no_accuracy
    integers = labels.dtype.kind in "iub"
    if integers and labels.shape in (shape[:-1], (*shape[:-1], 1)):
        return _accuracy
    one_hot = labels.shape == shape and len(shape) == 2 and shape[-1] > 1
    return _accuracy if one_hot and bool(np.all(labels.sum(-1) == 1)) else _no_accuracy


def _objective_of(
    name: str, prepare: Callable[[Any], Any], accuracy: Callable[[Any, Any], Any]
) -> Objective:
    """The objective on one of Keras's losses."""
    loss = getattr(keras.losses, LOSSES[name].keras_class)()
    return Objective(
        name,
        prepare,
        _with(loss),
        accuracy,
        lambda model, y, outputs, weights: loss(y, outputs, sample_weight=weights),
    )


def _with(loss: Any) -> Callable[[Any, Any, Any, Any, Any], Any]:
    def total(model: Any, x: Any, y: Any, outputs: Any, weights: Any) -> Any:
        value = loss(y, outputs, sample_weight=weights)
        return tf.add_n([value, *model.losses]) if model.losses else value

    return total


def _compiled_loss(model: Any, x: Any, y: Any, outputs: Any, weights: Any) -> Any:
    targets = None if isinstance(y, tuple) and not y else y
    arguments = {"x": x, "y": targets, "y_pred": outputs, "sample_weight": weights}
    if "training" in inspect.signature(model.compute_loss).parameters:
        arguments["training"] = True  # as Keras: a compute_loss of the user's may be older than it
    return model.compute_loss(**arguments)


def _compiled_data_loss(model: Any, y: Any, outputs: Any, weights: Any) -> Any:
    if type(model).compute_loss is not keras.Model.compute_loss:
        try:
            return _compiled_loss(model, None, y, outputs, weights)
        except Exception as error:  # it may need the inputs, or what `call` left in the model
            raise FactNotMeasured(
                "the model's own compute_loss needs more than targets and answers "
                f"({type(error).__name__})"
            ) from error
    if keras.tree.is_nested(y):
        raise FactNotMeasured("the targets are several arrays")
    return model._compile_loss(y, outputs, weights)  # what compute_loss adds penalties to


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


def _targets(form: str, units: int, task: str, labels: Targets) -> Targets:
    if task == "regression":
        return labels.astype(np.float32).reshape(len(labels), -1)
    if form == "class_index":
        return labels.astype(np.int64)
    return _column(labels) if units == 1 else _one_hot(units, labels)


def _as_is(labels: Any) -> Any:
    """The labels; an empty structure, which any traced function takes, where there are none."""
    return () if labels is None else labels


def _column(labels: Targets) -> Targets:
    return labels.astype(np.float32).reshape(len(labels), 1)


def _one_hot(units: int, labels: Targets) -> Targets:
    return np.eye(units, dtype=np.float32)[labels]


def _accuracy(targets: Any, outputs: Any) -> Any:
    if outputs.shape[-1] == 1:
        labels = tf.reshape(tf.cast(targets, tf.float64), tf.shape(outputs))
        right = tf.cast(outputs > 0.5, tf.float64) == labels
    else:
        if targets.shape.rank == outputs.shape.rank and targets.shape[-1] == outputs.shape[-1]:
            targets = tf.argmax(targets, -1)
        labels = tf.reshape(tf.cast(targets, tf.int64), tf.shape(outputs)[:-1])
        right = tf.argmax(outputs, -1) == labels
    return tf.reduce_mean(tf.cast(right, tf.float64))


def _no_accuracy(targets: Any, outputs: Any) -> Any:
    return tf.constant(math.nan, tf.float64)
