"""What the training loop gives to whoever listens, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gradscope.record import Histogram, InitialDraws, ObjectiveStart, OutcomeStatus, ProbeAnswers
from gradscope.record.builder import Beginning
from gradscope.record.fault import Fault
from gradscope.record.nonfinite_origin import NonFiniteOrigin
from gradscope.record.run_record import Floats


class Listener(Protocol):
    """Receives the measurements of a run while it trains."""

    def begin(self, beginning: Beginning) -> None:
        """Receive what is known before the first step."""

    def start(self, facts: ObjectiveStart) -> None:
        """Receive what loss, targets and variables are before the first update."""

    def draws(self, draws: InitialDraws) -> None:
        """Receive what the layers show when the initial weights are drawn again."""

    def constant_losses(self, losses: Mapping[int, float]) -> None:
        """Receive the loss of the constant answer on the batches of these steps."""

    def step(self, step: int, statistics: Floats, scalars: Sequence[float], times: Floats) -> None:
        """Receive the figures of one recorded step; `times` is delta over time, by layer."""

    def probe(self, step: int, dead_fraction: Floats) -> None:
        """Receive the dead fractions of the probe set [layer]."""

    def histogram(self, name: str, snapshot: Histogram) -> None:
        """Receive one snapshot of a distribution."""

    def answers(self, answers: ProbeAnswers) -> None:
        """Receive what the trained network answers to the probe set."""

    def output(self, position: int) -> Any:
        """The listener for `start`, `constant_losses` and `answers` of one of several outputs."""

    def profile(self, name: str) -> Listener:
        """The listener for another gradient that the same training step takes."""


@dataclass(frozen=True)
class TrainingEnd:
    """How the loop ended, complete or diverged, and the test figures after it.

    `origin` says where the value that ended a diverged one came from, where that was located;
    `faults` are the side computations that failed.
    """

    status: OutcomeStatus
    sentence: str
    evaluation: dict[str, float]
    origin: NonFiniteOrigin | None = None
    faults: tuple[Fault, ...] = ()
