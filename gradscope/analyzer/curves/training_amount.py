"""How much training a record holds, and whether its loss still comes down."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.message_text import counted
from gradscope.record import RunRecord
from gradscope.record.run_record import FIT


@dataclass(frozen=True)
class TrainingAmount:
    """Steps made, passes over the training data, and samples shown of each class.

    `epochs` is NaN where the size of the data is not known, `samples_per_class` where there are no
    classes.
    """

    steps: int
    epochs: float
    samples_per_class: float

    @property
    def text(self) -> str:
        """As in "60 steps (0.47 epochs)"."""
        steps = counted(self.steps, "step")
        if math.isnan(self.epochs):
            return steps
        return f"{steps} ({self.epochs:.2g} epochs)"

    def is_little(
        self,
        *,
        min_steps: float,
        enough_steps: float,
        min_epochs: float,
        min_samples_per_class: float,
    ) -> bool:
        """Whether it is less than one of these; `enough_steps` make up for epochs, and stand for
        them where they are not known."""
        return (
            self.steps < min_steps
            or self.samples_per_class < min_samples_per_class
            or (self.steps < enough_steps and not self.epochs >= min_epochs)
        )


def training_amount(record: RunRecord) -> TrainingAmount:
    """Give the amount of training; data of which only a batch was seen has no known size."""
    steps, classes = record.outcome.steps_done, len(loss_curve.class_shares(record))
    shown, samples = steps * record.batch_size, record.data.samples
    known = samples > 0 and record.data.name != FIT
    return TrainingAmount(
        steps=steps,
        epochs=shown / samples if known else math.nan,
        samples_per_class=shown / classes if classes else math.nan,
    )


def still_falls(curve: LossCurve, last_errors: float = 2.0, all_errors: float = 3.0) -> bool:
    """Whether the loss falls from quarter to quarter of the recorded steps, up to the last one.

    Mean and median of each quarter have to be below those of the quarter before, the fall since the
    third quarter above `last_errors` standard errors and that since the first above `all_errors`.
    """
    count = len(curve.loss[window.last_quarter(curve.steps)])
    if count < 2:
        return False
    starts = [quarter * (len(curve.loss) - count) // 3 for quarter in range(4)]
    quarters = np.array([curve.loss[start : start + count] for start in starts])
    falls = all(
        bool(np.all(np.diff(center(quarters, axis=1)) < 0)) for center in (np.mean, np.median)
    )
    return falls and curve.falls(2, last_errors) and curve.falls(0, all_errors)
