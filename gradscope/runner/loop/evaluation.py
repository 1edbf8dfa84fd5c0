"""Loss and accuracy on the test set, in pieces of the training batch."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from gradscope.record.run_record import Floats
from gradscope.runner.objective.objective import Objective

EAGER_PIECES = 8
"""Pieces up to which tracing a forward pass takes longer than it saves."""


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
