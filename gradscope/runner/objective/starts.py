"""The objective at the start: of the whole loss, and of each of several outputs by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from gradscope.record import ObjectiveStart, OutputInfo
from gradscope.record.objective.objective_info import target_summary
from gradscope.runner.objective.forward_pass import ForwardPass
from gradscope.runner.objective.objective import Objective
from gradscope.runner.objective.output_losses import parts_of
from gradscope.runner.objective.start import StartMeasurement

MOST_SUMMARIZED = 2**26
"""Values of the targets of an output up to which all are summarized, as for one output."""


class Starts:
    """The start of the whole loss and of its outputs; the first of each list is the whole one's."""

    def __init__(self, model: Any, objective: Objective) -> None:
        forward = ForwardPass(model)
        self._objective = objective
        self._measured = [StartMeasurement(model, objective, forward)]
        for part in parts_of(objective):
            measured = StartMeasurement(model, part.objective, forward, part.position)
            self._measured.append(measured)

    @property
    def whole(self) -> StartMeasurement:
        """That of the whole loss."""
        return self._measured[0]

    @property
    def outputs(self) -> list[StartMeasurement]:
        """Those of the outputs alone."""
        return self._measured[1:]

    def before(self, batch: Any, targets: Any, weights: Any) -> list[ObjectiveStart]:
        """The facts before the first update, as `StartMeasurement.before` has them."""
        x, y, own = batch
        batches = [(y, own), *self.split(y, own)]
        all_of_them = [(targets, weights), *self.split(targets, weights)]
        return [
            measured.before((x, *part), *given)
            for measured, part, given in zip(self._measured, batches, all_of_them, strict=True)
        ]

    def after_first_update(self, facts: list[ObjectiveStart], x: Any) -> list[ObjectiveStart]:
        """The facts with what the first update changed in the answers to the same batch."""
        return [
            measured.after_first_update(each, x)
            for measured, each in zip(self._measured, facts, strict=True)
        ]

    def constant_loss(self, y: Any, weights: Any) -> float:
        """That of the whole loss on other targets; NaN where it is not known."""
        return self.whole.constant_loss(y, weights)

    def constant_losses(self, y: Any, weights: Any) -> list[float]:
        """The loss of each constant answer on other targets."""
        of_outputs = [
            measured.constant_loss(*part)
            for measured, part in zip(self.outputs, self.split(y, weights), strict=True)
        ]
        return [self.constant_loss(y, weights), *of_outputs]

    def split(self, y: Any, weights: Any) -> list[tuple[Any, Any]]:
        """Targets and weights of each output."""
        return self._objective.outputs.split(y, weights) if self.outputs else []


def output_infos(objective: Objective, y: Any = None) -> tuple[OutputInfo, ...]:
    """Name and loss of each output; with the summary of its targets where all `y` are given."""
    parts = parts_of(objective)
    infos = tuple(OutputInfo(part.name, part.info) for part in parts)
    if not parts or y is None:
        return infos
    targets = [np.asarray(target) for target, _ in objective.outputs.split(y, None)]
    return tuple(
        replace(info, targets=target_summary(target))
        if 0 < target.size <= MOST_SUMMARIZED
        else info
        for info, target in zip(infos, targets, strict=True)
    )


def send_starts(listener: Any, facts: list[ObjectiveStart]) -> None:
    """Send the facts of the whole loss and of each output."""
    listener.start(facts[0])
    for at, each in enumerate(facts[1:]):
        listener.output(at).start(each)


def send_constant_losses(listener: Any, losses: Mapping[int, list[float]]) -> None:
    """Send the constant losses of these steps: of the whole loss and of each output."""
    for at, of_one in enumerate(zip(*losses.values(), strict=True)):
        target = listener.output(at - 1) if at else listener
        target.constant_losses(dict(zip(losses, of_one, strict=True)))
