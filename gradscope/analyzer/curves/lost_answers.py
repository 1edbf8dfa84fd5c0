"""What the answers of a trained network lose when it is used in inference mode."""

from __future__ import annotations

import math
from dataclasses import dataclass

from gradscope.analyzer.curves import loss_curve
from gradscope.record import RunRecord

MAX_LOSS_RATIO = 2.0
"""Inference's loss over training's from which it counts. A judgement, far above what the scatter of
batches does."""

MAX_ACCURACY = 0.1
"""Accuracy of training mode minus that of inference mode from which it counts. A judgement: dropout
and the scatter of batches make training mode the worse one."""

MAX_SHARE = 0.25
"""Rise of the loss over what it is below a constant answer's, from which it counts. A judgement."""


@dataclass(frozen=True)
class LostAnswers:
    """What is lost beside its limit: accuracy, or a share of what was learned of the loss."""

    observed: float
    limit: float
    training: float
    inference: float
    by_accuracy: bool

    def __bool__(self) -> bool:
        return bool(self.observed > self.limit)


def lost_answers(
    record: RunRecord,
    max_accuracy: float = MAX_ACCURACY,
    max_loss_ratio: float = MAX_LOSS_RATIO,
    max_share: float = MAX_SHARE,
) -> LostAnswers | None:
    """What the same samples lose under the same weights; None where it was not measured.

    Accuracy tells where there are classes, else the loss: a rise by less than `max_loss_ratio`
    times is none.
    """
    answers = record.answers
    if answers is None:
        return None
    before, after = answers.training_accuracy, answers.inference_accuracy
    if math.isfinite(before) and math.isfinite(after):
        return LostAnswers(before - after, max_accuracy, before, after, by_accuracy=True)
    before, after = answers.training_loss, answers.inference_loss
    best = loss_curve.constant_of_answers(record)
    counts = best > before > 0 and after > max_loss_ratio * before
    lost = (after - before) / (best - before) if counts else 0.0
    return LostAnswers(lost, max_share, before, after, by_accuracy=False)
