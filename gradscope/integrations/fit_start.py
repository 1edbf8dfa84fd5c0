"""Loss, targets and variables at the start of a `fit`, and its loss beside a constant answer's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from gradscope.record import ObjectiveStart
from gradscope.record.builder import RecordBuilder
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.start import StartMeasurement
from gradscope.runner.objective.target_order import BatchTargets

MOST_KEPT = 2**22
"""Target values of measured batches that are kept: 16 MB of float32."""

TRAINED = "the model had been trained before this fit"


class FitStart:
    """The objective of one `fit`, as its measured batches show it.

    A callback never sees all targets: the constant answer is chosen on those of the batches that
    were measured so far, and again when they have doubled and at the end.
    """

    def __init__(self, model: Any, objective: Objective) -> None:
        self._measurement = StartMeasurement(model, objective)
        self._facts = ObjectiveStart()
        self._batches: list[tuple[int, Any, Any]] = []
        self._kept = 0
        self._chosen_on = 1
        self._losses: dict[int, float] = {}
        self._order = BatchTargets()

    def before(self, batch: Any, *, untrained: bool) -> None:
        """Measure the facts on the first measured batch."""
        facts = self._measurement.before(batch)
        if not untrained:
            reasons = facts.unmeasured | dict.fromkeys(("scale", "values"), TRAINED)
            facts = replace(facts, scale=None, values=None, unmeasured=reasons)
        self._facts = facts

    def after_first_update(self, x: Any) -> None:
        """Add what the first update changed in the answers."""
        self._facts = self._measurement.after_first_update(self._facts, x)

    def add(self, step: int, batch: Any) -> None:
        """Keep the targets of a measured step."""
        y, weights = batch[1], batch[2]
        leaves = keras.tree.flatten(y)
        size = sum(int(np.prod(leaf.shape)) for leaf in leaves if leaf is not None)
        if self._facts.constant is None or len(leaves) != 1 or self._kept + size > MOST_KEPT:
            return
        self._kept += size
        self._order.add(leaves[0])
        kept = None if weights is None else np.asarray(weights)
        self._batches.append((step, np.asarray(leaves[0]), kept))

    def tell(self, builder: RecordBuilder, *, ended: bool) -> None:
        """Give `builder` the facts, and the constant's loss at the steps that were measured."""
        count = len(self._batches)
        if count >= 2 * self._chosen_on or (ended and count > self._chosen_on):
            self._choose_again()
            self._chosen_on, self._losses = count, {}
        for step, y, weights in self._batches:
            if step not in self._losses:
                self._losses[step] = self._measurement.constant_loss(y, weights)
        builder.start(replace(self._facts, order=self._order.order()))
        builder.constant_losses(self._losses)

    def _choose_again(self) -> None:
        _, first, weight = self._batches[0]
        alike = [
            (y, w)
            for _, y, w in self._batches
            if y.shape == first.shape and (w is None) == (weight is None)
        ]
        targets = np.concatenate([y for y, _ in alike])
        weights = None if weight is None else np.concatenate([w for _, w in alike])
        chosen = self._measurement.choose_again(targets, weights, len(first))
        self._facts = replace(self._facts, constant=chosen or self._facts.constant)
