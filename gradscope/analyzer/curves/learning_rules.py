"""Whether a loss says that its network learned: the rules of `not_learning`, for one loss."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from gradscope.analyzer.curves import held_out, loss_curve
from gradscope.analyzer.curves.constant_loss import paired_loss
from gradscope.analyzer.curves.loss_course import LossCourse
from gradscope.analyzer.curves.loss_curve import LossCurve
from gradscope.analyzer.curves.training_amount import still_falls, training_amount
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import RunRecord

LITTLE = 0.5
"""Way from chance to all right up to which an accuracy is little, beside a loss that is no better
than a constant answer's. Chosen on a softmax that is taken twice: it has 0.1 to 0.3 after 300
steps, where its repaired twin has 0.9."""

ENOUGH_EPOCHS = 4.0
"""Passes over the data that are asked for where the scatter of batches hides a fall, as it does
where the targets are mostly noise, or where the loss is the user's own: some, such as that of CTC,
stay at a constant answer's for long. Chosen on regressions of which 6 % can be explained: a network
has learned nothing of it after two passes, and some of it after eight."""

SETTLES = 1.05
"""Loss over a constant answer's below which a falling loss only settles there: the biases of the
output take it so far, whatever the layers before them do. A judgement, chosen on runs of labels
that belong to other samples, which end at 1.01 to 1.03."""


class Rule(Enum):
    """The rule that a finding is about."""

    NOTHING = "nothing was learned"
    BY_HEART = "what was learned does not hold on the test set"
    LITTLE = "the loss is no better than a constant answer's, and something was learned"
    EARLY = "nothing was learned yet, after little training"
    FALLING = "nothing was learned yet, and the loss still falls"
    INVERTED = "the loss is largest for right answers"

    @property
    def grave(self) -> bool:
        """Whether it is an error."""
        return self in (Rule.NOTHING, Rule.BY_HEART, Rule.INVERTED)


@dataclass(frozen=True)
class Limits:
    """The thresholds of `not_learning`, which says what each is."""

    standard_errors: float
    constant_ratio: float
    weight_change: float
    relative_fall: float
    steps: float
    noise: float
    error_steps: float
    enough_steps: float
    epochs: float
    samples_per_class: float
    end_growth: float


def broken_rule(
    record: RunRecord, curve: LossCurve, course: LossCourse, limits: Limits, *, early: bool
) -> Rule | None:
    """The rule that the record fails; None where the network learns. Raises `NotMeasured`."""
    noise = limits.standard_errors * course.error
    falls = course.fall > max(noise, limits.relative_fall * course.late)
    below = course.share < limits.constant_ratio
    right = loss_curve.above_chance(record) or held_out.above_chance(record)
    better = below or right or ahead_of_constant(record, limits)
    if falls and not better and not course.grew and course.above(SETTLES):
        return Rule.FALLING
    if not course.grew and (falls or better):
        if held_out.gain_in_errors(record, course) <= limits.standard_errors:
            return Rule.BY_HEART
        little = course.ended and not (falls or below or loss_curve.skill(record) > LITTLE)
        return Rule.LITTLE if little and not early else None
    hidden = noise > limits.noise * abs(course.late)
    if hidden and not course.ended and not course.grew:
        raise NotMeasured(
            f"the loss of {course.late:.3g} scatters too much from batch to batch: only a fall by "
            f"{noise:.2g} in a quarter of the steps would have shown"
        )
    if still_falls(curve) and not course.near(SETTLES) and not course.grew:
        return Rule.FALLING
    slow = hidden or not loss_curve.loss_name(record)
    if slow and not course.grew and not training_amount(record).epochs >= ENOUGH_EPOCHS:
        return Rule.EARLY
    return Rule.EARLY if early else Rule.NOTHING


def ahead_of_constant(record: RunRecord, limits: Limits) -> bool:
    """Whether the late losses are below the constant answer's on the same batches."""
    pair = paired_loss(record)
    if pair is None:
        return False
    least = limits.relative_fall * abs(pair.constant)
    return -pair.difference > max(limits.standard_errors * pair.error, least)
