"""What a trained network answers to a sample by itself, beside its answer among other samples."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.record.run_record import Floats
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.output_graph import FactNotMeasured
from gradscope.runner.runtime.preserved_state import preserved_model_state

LOOKED_AT = 2
"""Samples that are passed by themselves; a model that mixes samples mixes all of them."""

JUDGED = 8
"""Samples over which the losses are taken, where their answers changed."""

CHANGED = 0.01
"""Change of the answers over their deviation from sample to sample, from which they are others: a
hundred times the rounding of float16."""


@dataclass(frozen=True)
class LoneAnswers:
    """The change of the answers over their deviation, and the losses with and without company."""

    lone_change: float = math.nan
    lone_loss: float = math.nan
    joint_loss: float = math.nan


def lone_answers(
    model: Any, batch: tuple[Any, ...], objective: Objective, *, batch_size: int
) -> LoneAnswers:
    """Pass samples in inference mode in their batch, and in a batch of copies of themselves.

    `batch` are numpy arrays (x, y) or (x, y, weights). NaN where the answers are drawn anew in each
    pass, where there is no more than one sample, where an input has a value for each pair of
    samples, as a graph's has, and for answers that are not one per sample. The model's state is
    restored.
    """
    x, y, *weights = batch
    samples = min(batch_size, len(keras.tree.flatten(x)[0]))
    x, y, weights = keras.tree.map_structure(
        lambda leaf: np.asarray(leaf)[:samples], (x, y, weights)
    )
    inputs = keras.tree.flatten(x)
    pairs = len(inputs) > 1 and any(leaf.shape == (samples, samples) for leaf in inputs)
    if samples < 2 or pairs:
        return LoneAnswers()
    try:
        return _compared(model, objective, (x, y, weights), samples)
    except (ValueError, TypeError, FactNotMeasured, tf.errors.OpError):  # it takes no such batch
        return LoneAnswers()


def _compared(
    model: Any, objective: Objective, batch: tuple[Any, Any, Any], samples: int
) -> LoneAnswers:
    x, y, weights = batch
    passes = _Passes(model, objective, x)
    joint = passes.answers(range(samples))
    if any(leaf.shape[:1] != (samples,) for leaf in joint):
        return LoneAnswers()
    chosen = np.linspace(0, samples - 1, min(JUDGED, samples)).astype(int)
    change = passes.change(joint, chosen[:: max(1, len(chosen) // LOOKED_AT)][:LOOKED_AT])
    if not change > CHANGED:
        return LoneAnswers(change)
    again = passes.answers(range(samples))
    if any(not np.array_equal(one, two) for one, two in zip(joint, again, strict=True)):
        return LoneAnswers()
    losses = np.array(list(passes.losses(joint, chosen, y, weights)))
    lone, together = losses.mean(axis=0)
    return LoneAnswers(passes.change(joint, chosen), float(lone), float(together))


class _Passes:
    """Forward passes of rows of one batch in inference mode."""

    def __init__(self, model: Any, objective: Objective, x: Any) -> None:
        self.model, self.objective, self.x = model, objective, x
        self._lone: dict[int, list[Floats]] = {}

    def answers(self, rows: Any) -> list[Floats]:
        """The answers to a batch of these rows, each as float64."""
        outputs = self._outputs(rows)
        return [np.asarray(leaf).astype(np.float64) for leaf in keras.tree.flatten(outputs)]

    def change(self, joint: list[Floats], rows: npt.NDArray[np.int64]) -> float:
        """The largest of the leaves: rms of the change over the deviation from sample to sample."""
        changes = [math.nan]
        for at, leaf in enumerate(joint):
            deviation = math.sqrt(float(leaf.var(axis=0).mean()))
            lone = np.array([self._copies(row)[at] for row in rows])
            rms = math.sqrt(float(np.mean((lone - leaf[rows]) ** 2)))
            if deviation > 0.0:
                changes.append(rms / deviation)
        return float(np.fmax.reduce(changes))

    def losses(
        self, joint: list[Floats], rows: npt.NDArray[np.int64], y: Any, weights: Any
    ) -> Iterator[tuple[float, float]]:
        """For each row, the loss of a batch of its lone answer, and of its answer in company."""
        count = len(joint[0])
        structure = self._outputs(range(count))
        for row in rows:
            target, weight = keras.tree.map_structure(
                lambda leaf, row=row: tf.convert_to_tensor(
                    np.repeat(leaf[row : row + 1], count, 0)
                ),
                (y, weights),
            )
            pair = []
            for answers in (self._copies(int(row)), [leaf[row] for leaf in joint]):
                filled = [
                    tf.convert_to_tensor(np.repeat(a[np.newaxis], count, 0), leaf.dtype)
                    for a, leaf in zip(answers, keras.tree.flatten(structure), strict=True)
                ]
                outputs = keras.tree.pack_sequence_as(structure, filled)
                loss = self.objective.data_loss(
                    self.model, target, outputs, weight[0] if weight else None
                )
                pair.append(float(tf.reduce_sum(loss)))
            yield pair[0], pair[1]

    def _copies(self, row: int) -> list[Floats]:
        """The answer at `row` of a batch of copies of that sample, where its own draws would be."""
        row = int(row)
        if row not in self._lone:
            count = len(keras.tree.flatten(self.x)[0])
            self._lone[row] = [leaf[row] for leaf in self.answers([row] * count)]
        return self._lone[row]

    def _outputs(self, rows: Any) -> Any:
        chosen = list(rows)
        part = keras.tree.map_structure(lambda leaf: tf.convert_to_tensor(leaf[chosen]), self.x)
        with preserved_model_state(self.model):
            return self.model(part, training=False)
