"""One of several outputs of a model: its own loss beside that of its own constant answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record.objective.objective_info import ObjectiveInfo, TargetSummary
from gradscope.record.objective.objective_start import ObjectiveStart
from gradscope.record.objective.probe_answers import ProbeAnswers

Floats = npt.NDArray[np.float64]

OUTPUT_SCALARS = ("loss", "accuracy")
"""Figures of each output that a step gives, beside those of the whole loss."""

OUTPUT_ARRAYS = (*OUTPUT_SCALARS, "constant_loss")
"""Arrays [step] of an output in a record."""


@dataclass(frozen=True)
class OutputInfo:
    """What is known of an output before the training: its name and loss.

    `targets` summarizes its targets where they are at hand, as `DataSummary.targets` does.
    """

    name: str
    objective: ObjectiveInfo
    targets: TargetSummary | None = None

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> OutputInfo:
        """The facts that `dataclasses.asdict` and JSON were made from."""
        targets = content["targets"]
        return cls(
            name=content["name"],
            objective=ObjectiveInfo(**content["objective"]),
            targets=TargetSummary.from_json(targets) if targets else None,
        )


@dataclass(frozen=True)
class OutputRecord:
    """The figures of one output: `loss`, `accuracy` and `constant_loss` are [step].

    The loss is without its factor in `loss_weights` and without penalties. `constant_loss` is that
    of the best answer that is the same for all samples, on the batch of the same step. `start` and
    `answers` are those of this output alone.
    """

    info: OutputInfo
    loss: Floats
    accuracy: Floats
    constant_loss: Floats
    start: ObjectiveStart | None = None
    answers: ProbeAnswers | None = None

    def to_json(self) -> dict[str, Any]:
        """All but the arrays, in JSON's types."""
        return {
            "info": asdict(self.info),
            "start": asdict(self.start) if self.start else None,
            "answers": asdict(self.answers) if self.answers else None,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any], arrays: Mapping[str, Floats]) -> OutputRecord:
        """The output of `to_json` and its arrays by name."""
        start, answers = content["start"], content["answers"]
        return cls(
            info=OutputInfo.from_json(content["info"]),
            start=ObjectiveStart.from_json(start) if start else None,
            answers=ProbeAnswers(**answers) if answers else None,
            **{name: arrays[name] for name in OUTPUT_ARRAYS},
        )


@dataclass
class OutputBuilder:
    """Collects what is measured of one output while a run happens."""

    facts: ObjectiveStart | None = None
    final_answers: ProbeAnswers | None = None
    _constant: dict[int, float] = field(default_factory=dict)

    def start(self, facts: ObjectiveStart) -> None:
        """Add what its loss and targets are before the first update."""
        self.facts = facts

    def constant_losses(self, losses: Mapping[int, float]) -> None:
        """Add the loss of its constant answer on the batches of these steps."""
        self._constant |= losses

    def answers(self, answers: ProbeAnswers) -> None:
        """Add what it answers to the probe set after training."""
        self.final_answers = answers

    def build(self, info: OutputInfo, steps: Sequence[int], scalars: Floats) -> OutputRecord:
        """The record of it; `scalars` are `OUTPUT_SCALARS` [step, scalar]."""
        return OutputRecord(
            info=info,
            loss=scalars[:, 0].copy(),
            accuracy=scalars[:, 1].copy(),
            constant_loss=by_step(self._constant, steps),
            start=self.facts,
            answers=self.final_answers,
        )


def by_step(losses: Mapping[int, float], steps: Sequence[int]) -> Floats:
    """Losses [step] of the recorded `steps`; step 0 has the batch of step 1."""
    first = losses.get(1, np.nan)
    return np.array([losses.get(step, np.nan) if step else first for step in steps], np.float64)
