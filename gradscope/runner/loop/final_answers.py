"""Pass the probe set through the trained network once more, in both modes."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record import ProbeAnswers
from gradscope.runner.loop.listener import Listener
from gradscope.runner.loop.lone_answers import lone_answers
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.output_losses import recorded_outputs
from gradscope.runner.runtime.preserved_state import preserved_model_state

FEW_PASSES = 4
"""Batches up to which the passes are not traced: a trace costs about as much as three of them."""

Passed = Callable[[Any], Any]


def send(
    listener: Listener, model: Any, batch: tuple[Any, ...], objective: Objective, **kept: Any
) -> None:
    """Send `final_answers` of the whole loss and of each output, and those to lone samples."""
    answers = final_answers(model, batch, objective, **kept)
    for position, each in enumerate(answers[1:]):
        listener.output(position).answers(each)
    if answers:
        listener.answers(answers[0])
        lone = lone_answers(model, batch, objective, batch_size=kept["batch_size"])
        listener.answers(replace(answers[0], **asdict(lone)))


def final_answers(
    model: Any,
    batch: tuple[Any, ...],
    objective: Objective,
    *,
    batch_size: int,
    constant_losses: Callable[[Any, Any], list[float]] | None = None,
    traced: dict[str, Passed] | None = None,
) -> list[ProbeAnswers]:
    """Loss and accuracy over the probe set in training and in inference mode.

    Those of the whole loss, and then those of each of several outputs.

    `batch` are numpy arrays: inputs, targets as the loss needs them, and weights where there are
    some. It passes in batches of `batch_size`, as a model may know its batch size and batch norm
    normalizes by the batch; what is left over is not used. ``constant_losses(y, weights)`` are
    those of the constant answers on a batch. `traced` keeps the traced passes for the next call
    with this model. Empty for an empty probe set. The model's state is restored.
    """
    traced = {} if traced is None else traced
    pieces = list(_pieces(batch, batch_size))
    if not pieces:
        return []
    figures = []
    for training in (True, False):
        passed = _passed(model, objective, training=training)
        if len(pieces) > FEW_PASSES:
            name = f"answers, training={training}"
            passed = traced.setdefault(name, tf.function(passed, autograph=False))
        with preserved_model_state(model):
            rows = [passed(piece).numpy() for piece in pieces]
        figures.append(np.mean(np.array(rows, np.float64), axis=0))
    training_figures, inference_figures = figures
    samples = len(keras.tree.flatten(pieces[0][0])[0]) * len(pieces)
    constants = np.full(len(training_figures) // 2, math.nan)
    if constant_losses is not None:
        constants = np.mean([_constants(constant_losses, piece) for piece in pieces], axis=0)
    return [
        ProbeAnswers(
            samples=samples,
            training_loss=float(training_figures[2 * at]),
            inference_loss=float(inference_figures[2 * at]),
            training_accuracy=float(training_figures[2 * at + 1]),
            inference_accuracy=float(inference_figures[2 * at + 1]),
            constant_loss=float(constant),
        )
        for at, constant in enumerate(constants)
    ]


def _constants(
    constant_losses: Callable[[Any, Any], list[float]], piece: tuple[Any, ...]
) -> list[float]:
    _, y, *rest = piece
    return constant_losses(y, rest[0] if rest else None)


def _pieces(batch: tuple[Any, ...], batch_size: int) -> Iterator[tuple[Any, ...]]:
    """Whole batches; the probe set itself where it is smaller than one."""
    samples = len(keras.tree.flatten(batch[0])[0])
    size = min(batch_size, samples)
    for start in range(0, samples - size + 1, max(1, size)):
        part = slice(start, start + size)
        yield keras.tree.map_structure(lambda a, part=part: tf.convert_to_tensor(a[part]), batch)


def _passed(model: Any, objective: Objective, *, training: bool) -> Passed:
    """The function from one batch to loss and accuracy: of the whole loss, then of each output."""

    def figures(batch: tuple[Any, ...]) -> Any:
        x, y, *rest = batch
        outputs = model(x, training=training)
        with recorded_outputs(objective, outputs) as of_outputs:
            loss = objective.loss(model, x, y, outputs, rest[0] if rest else None)
        if adds_penalties(model):
            loss -= tf.add_n([tf.cast(penalty, loss.dtype) for penalty in model.losses])
        whole = [tf.cast(loss, tf.float64), objective.accuracy(y, outputs)]
        return tf.stack([*whole, *of_outputs.figures()])

    return figures


def adds_penalties(model: Any) -> bool:
    """Whether the loss holds what layers add, beside a loss of the answers."""
    compiled = getattr(model, "compiled", False) and model.loss is None
    own = type(model).compute_loss is not keras.Model.compute_loss
    return bool(model.losses) and not compiled and not own
