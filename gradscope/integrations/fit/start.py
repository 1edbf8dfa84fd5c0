"""Loss, targets and variables at the start of a `fit`, and its loss beside a constant answer's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import numpy as np

from gradscope.record import InputVariety, ObjectiveStart, PositionUse
from gradscope.record.builder import RecordBuilder
from gradscope.record.objective.output_record import OutputBuilder
from gradscope.runner.loop.read_positions import read_positions
from gradscope.runner.objective.input_variety import BatchInputs
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.start import StartMeasurement
from gradscope.runner.objective.starts import Starts
from gradscope.runner.objective.target_order import BatchTargets

MOST_KEPT = 2**22
"""Target values of measured batches that are kept: 16 MB of float32."""

TRAINED = "the model had been trained before this fit"


class FitStart:
    """The objective of one `fit`, and that of each of several outputs, as its batches show it."""

    def __init__(self, model: Any, objective: Objective) -> None:
        starts = Starts(model, objective)
        self._split = starts.split
        self._whole = _LossStart(starts.whole)
        self._outputs = [_LossStart(measurement) for measurement in starts.outputs]
        self._inputs = BatchInputs()
        self._model, self._x = model, None
        self._positions: PositionUse | None = None

    def before(self, batch: Any, *, untrained: bool) -> None:
        """Measure the facts on the first measured batch."""
        for start, part in self._parts(batch):
            start.before(part, untrained=untrained)

    def after_first_update(self, x: Any) -> None:
        """Add what the first update changed in the answers."""
        for start in (self._whole, *self._outputs):
            start.after_first_update(x)

    def add(self, step: int, batch: Any) -> None:
        """Keep the targets of a measured step, and look at its inputs."""
        self._inputs.add(batch[0])
        self._x = batch[0]
        for start, part in self._parts(batch):
            start.add(step, part)

    def tell(self, builder: RecordBuilder, *, ended: bool) -> None:
        """Give `builder` the facts, and the constants' losses at the steps that were measured."""
        if ended and self._x is not None:
            samples = len(keras.tree.flatten(self._x)[0])
            self._positions, self._x = read_positions(self._model, self._x, samples), None
        inputs, positions = self._inputs.variety(), self._positions
        self._whole.tell(builder, ended=ended, inputs=inputs, positions=positions)
        for position, start in enumerate(self._outputs):
            start.tell(builder.output(position), ended=ended)

    def _parts(self, batch: Any) -> list[tuple[_LossStart, Any]]:
        x, y, weights = batch
        parts = [(y, weights), *self._split(y, weights)]
        starts = (self._whole, *self._outputs)
        return [(start, (x, *part)) for start, part in zip(starts, parts, strict=True)]


class _LossStart:
    """One loss at the start, and beside that of its constant answer.

    A callback never sees all targets: the constant answer is chosen on those of the batches that
    were measured so far, and again when they have doubled and at the end.
    """

    def __init__(self, measurement: StartMeasurement) -> None:
        self._measurement = measurement
        self._facts = ObjectiveStart()
        self._batches: list[tuple[int, Any, Any]] = []
        self._kept = 0
        self._chosen_on = 1
        self._losses: dict[int, float] = {}
        self._order, self._ordered = BatchTargets(), 0

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
        kept = None if weights is None else np.asarray(weights)
        self._batches.append((step, np.asarray(leaves[0]), kept))

    def tell(
        self,
        builder: RecordBuilder | OutputBuilder,
        *,
        ended: bool,
        inputs: InputVariety | None = None,
        positions: PositionUse | None = None,
    ) -> None:
        """Give `builder` the facts, and the constant's loss at the steps that were measured."""
        count = len(self._batches)
        for _, y, _ in self._batches[self._ordered :]:
            self._order.add(y)
        self._ordered = count
        if count >= 2 * self._chosen_on or (ended and count > self._chosen_on):
            self._choose_again()
            self._chosen_on, self._losses = count, {}
        for step, y, weights in self._batches:
            if step not in self._losses:
                self._losses[step] = self._measurement.constant_loss(y, weights)
        order = self._order.order()
        builder.start(replace(self._facts, order=order, inputs=inputs, positions=positions))
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
