"""Loss and accuracy on the test set, in pieces of the training batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record.run_record import Floats
from gradscope.runner.loop.final_answers import adds_penalties
from gradscope.runner.objective.objective import Objective

EAGER_PIECES = 8
"""Pieces up to which tracing a forward pass takes longer than it saves."""

PAIRED_PIECES = 64
"""Pieces in which the loss is compared with a constant answer's: the tail of Student's t is then
that of a normal distribution to 4 % of three standard errors."""

FEWEST_PIECES = 30
"""Pieces from which their scatter is known to 13 %."""


def evaluate(
    model: Any,
    objective: Objective,
    test: tuple[Any, ...],
    batch_size: int,
    traced: dict[str, Any] | None = None,
) -> dict[str, float]:
    """Mean loss and accuracy over `test`, (x, y) or (x, y, sample weights), in inference mode.

    The last piece is smaller where the samples are no multiple of `batch_size`. A model that was
    built for one batch size cannot take it; it is evaluated on the whole pieces. `traced` keeps the
    traced pass for the next call with this model.
    """
    kept = {} if traced is None else traced

    def figures(part: tuple[Any, ...]) -> Any:
        x, y, *rest = part
        outputs = model(x, training=False)
        loss = objective.loss(model, x, y, outputs, rest[0] if rest else None)
        return tf.stack([tf.cast(loss, tf.float64), objective.accuracy(y, outputs)])

    whole, remainder = divmod(len(keras.tree.flatten(test[0])[0]), batch_size)
    passed = figures
    if whole > EAGER_PIECES:
        passed = kept.setdefault("test set", tf.function(figures, autograph=False))
    sums: Floats = np.zeros(2)
    for start in range(0, whole * batch_size, batch_size):
        sums += passed(_part(test, start, batch_size)).numpy() * batch_size
    samples = whole * batch_size
    if remainder:
        last = _last_figures(figures, _part(test, samples, remainder), alone=not whole)
        if last is not None:
            sums, samples = sums + last * remainder, samples + remainder
    loss, accuracy = sums / samples
    named = {"test_loss": float(loss), "test_accuracy": float(accuracy)}
    return {name: value for name, value in named.items() if not math.isnan(value)}


def excess_over_constant(
    model: Any,
    objective: Objective,
    test: tuple[Any, ...],
    batch_size: int,
    constant_loss: Callable[[Any, Any], float],
) -> dict[str, float]:
    """What the loss on the test set is above that of the constant answer on the same samples.

    Mean of the difference over `PAIRED_PIECES` pieces of samples that are spread over `test`, and
    its standard error; the penalties of layers are in neither loss. ``constant_loss(y, weights)``
    is that of the constant answer on a piece. Empty where it is NaN, where there are fewer than
    `FEWEST_PIECES` pieces, and for a model that takes batches of one size only.
    """
    available = len(keras.tree.flatten(test[0])[0])
    pieces = min(PAIRED_PIECES, available)
    size = min(batch_size, available // pieces)
    if pieces < FEWEST_PIECES:
        return {}
    rows = np.linspace(0, available - 1, pieces * size).astype(int)
    parts = [_rows(test, rows[start::pieces]) for start in range(pieces)]
    constants = [constant_loss(y, rest[0] if rest else None) for _, y, *rest in parts]
    if not np.isfinite(constants).all():
        return {}
    passed = tf.function(losses_without_penalties(model, objective), autograph=False)
    try:
        losses = [float(passed(part)) for part in parts]
    except (ValueError, tf.errors.OpError):
        return {}
    difference = np.array(losses, np.float64) - constants
    error = difference.std(ddof=1) / math.sqrt(pieces)
    return {"test_excess": float(difference.mean()), "test_excess_error": float(error)}


def losses_without_penalties(model: Any, objective: Objective) -> Callable[[Any], Any]:
    """The function from (x, y) or (x, y, weights) to the loss of the answers in inference mode."""

    def loss_of(part: tuple[Any, ...]) -> Any:
        x, y, *rest = part
        outputs = model(x, training=False)
        loss = objective.loss(model, x, y, outputs, rest[0] if rest else None)
        if adds_penalties(model):
            loss -= tf.add_n([tf.cast(penalty, loss.dtype) for penalty in model.losses])
        return tf.cast(loss, tf.float64)

    return loss_of


def _rows(test: tuple[Any, ...], rows: Any) -> tuple[Any, ...]:
    part: tuple[Any, ...] = keras.tree.map_structure(
        lambda leaf: tf.convert_to_tensor(np.asarray(leaf)[rows]), test
    )
    return part


def _part(test: tuple[Any, ...], start: int, size: int) -> tuple[Any, ...]:
    rows = slice(start, start + size)
    part: tuple[Any, ...] = keras.tree.map_structure(
        lambda leaf: tf.convert_to_tensor(leaf[rows]), test
    )
    return part


def _last_figures(
    figures: Callable[[Any], Any], part: tuple[Any, ...], *, alone: bool
) -> Floats | None:
    """The figures of a smaller piece; None where the model does not take it after whole ones."""
    try:
        result: Floats = figures(part).numpy()
    except (ValueError, tf.errors.OpError):
        if alone:
            raise
        return None
    return result
