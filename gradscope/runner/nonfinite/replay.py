"""Keep where a training came from, so that its last step can be computed once more."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import tensorflow as tf

from gradscope.record.nonfinite_origin import NonFiniteOrigin, OriginPlace
from gradscope.runner.nonfinite import origin
from gradscope.runner.nonfinite.origin import Training
from gradscope.runner.runtime.preserved_state import changing_state
from gradscope.runner.sources.batches import Batch

KEPT_SECONDS = 2.0
"""Least time between two copies of the weights: a copy costs as much as reading every weight twice,
and what was trained since the last one is trained again when a value was lost."""

KEPT_BYTES = 2**29
"""Weights and optimizer state beyond this are not copied: an eighth of the 4 GiB that a small
machine has. The origin is then not located."""


KEPT_BATCH_BYTES = 2**26
"""Batches beyond this are not kept, beside those of the present call, which exist anyway."""


@dataclass
class RecentSteps:
    """The weights at a step of a training, and the batches that were trained on since.

    `train` makes the steps of some batches after a number of steps, as the training did, and
    `prepared` gives a batch as the loss takes it.
    """

    training: Training
    train: Callable[[Sequence[Batch], int], Any]
    prepared: Callable[[Batch], Any]
    _variables: list[Any] = field(default_factory=list)
    _values: list[Any] = field(default_factory=list)
    _batches: list[Batch] = field(default_factory=list)
    _since: int = 0
    _kept_at: float = 0.0

    def keep(self, batches: Sequence[Batch], done: int) -> None:
        """Keep what the next steps start from; `batches` are trained on after `done` steps."""
        kept = sum(leaf.nbytes for leaf in keras.tree.flatten(self._batches) if leaf is not None)
        late = time.monotonic() - self._kept_at > KEPT_SECONDS
        if not self._batches or late or kept > KEPT_BATCH_BYTES:
            self._copy(done)
        self._batches += batches

    def locate(self, step: int) -> NonFiniteOrigin | None:
        """Find where `step`, or the first lost step before it, lost its first value.

        The weights are left as they are now. None where the steps were not kept, or are finite when
        they are made again.
        """
        if not self._values:
            return None
        now = [tf.identity(variable.value) for variable in self._variables]
        try:
            return self._located(step)
        finally:
            self._assign(now)

    def _copy(self, done: int) -> None:
        training = self.training
        variables = [
            *training.model.trainable_variables,
            *changing_state(training.model),
            *training.optimizer.variables,
        ]
        self._variables = list({id(variable): variable for variable in variables}.values())
        size = sum(
            variable.shape.num_elements() * variable.dtype.size
            for variable in (v.value for v in self._variables)
        )
        # A tensor read from a variable shares its memory until one of the two changes.
        self._values = (
            [tf.convert_to_tensor(variable.value) for variable in self._variables]
            if size <= KEPT_BYTES
            else []
        )
        self._batches, self._since, self._kept_at = [], done, time.monotonic()

    def _located(self, step: int) -> NonFiniteOrigin | None:
        count = step - self._since
        batches = self._batches[:count]
        self._assign(self._values)
        if count > 1:
            self.train(batches[:-1], self._since)
        last = self._of_step(batches[-1], step)
        if last is None or last.place is not OriginPlace.WEIGHTS or count == 1:
            return last
        return self._first_lost(batches[:-1]) or last

    def _first_lost(self, batches: Sequence[Batch]) -> NonFiniteOrigin | None:
        """The origin in the step after which the weights are lost: it was not measured."""
        self._assign(self._values)
        for i, batch in enumerate(batches):
            before = [tf.identity(variable.value) for variable in self._variables]
            self.train([batch], self._since + i)
            if origin.lost_weights(self.training, 0) is not None:
                self._assign(before)
                return self._of_step(batch, self._since + i + 1)
        return None

    def _of_step(self, batch: Batch, step: int) -> NonFiniteOrigin | None:
        """The origin in the passes of one step, else in its update, which is made."""
        located = origin.locate(self.training, self.prepared(batch), step)
        if located is not None:
            return located
        self.train([batch], step - 1)
        return origin.lost_weights(self.training, step)

    def _assign(self, values: Sequence[Any]) -> None:
        for variable, value in zip(self._variables, values, strict=True):
            variable.assign(value)
