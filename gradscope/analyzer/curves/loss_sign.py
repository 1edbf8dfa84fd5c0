"""Whether right answers have a larger loss than others: the sign of the loss is wrong."""

from __future__ import annotations

import math

import numpy as np

from gradscope.record import LossValues, RunRecord

UNUSED = 1e-4
"""Change of dL/d(answers) by other targets below which a loss does not use them, as for
`unmatched_targets`: what right answers are is not known then."""


UNBOUNDED = 1e6
"""What the loss of a constant answer is below 0, over the size of the loss at the start, from which
it has no lower bound. A log density, the usual loss that has none, falls by the logarithm of what
the answers grow by."""


def has_wrong_sign(record: RunRecord) -> bool:
    """Whether the loss is larger for right answers, or has no lower bound for a constant one."""
    return right_above_others(record) is not None or bottomless(record) is not None


def bottomless(record: RunRecord) -> float | None:
    """The loss of the best constant answer, where it is far below anything; None elsewhere."""
    start = record.objective_start
    if start is None or start.values is None or start.dependence is None:
        return None
    values, used = start.values, start.dependence.erased_change >= UNUSED
    deep = used and has_no_floor(record)
    return values.constant if deep and _end(record) < values.start else None


def has_no_floor(record: RunRecord) -> bool:
    """Whether a constant answer takes the loss below anything, as it does a mean of the answers."""
    start = record.objective_start
    values = start.values if start is not None else None
    if values is None or values.constant is None or not math.isfinite(values.start):
        return False
    return values.constant < -UNBOUNDED * abs(values.start) < 0.0


def right_above_others(record: RunRecord) -> LossValues | None:
    """The losses at the start, where that of right answers is the largest; None elsewhere.

    It has to be above those of the untrained network, of the best constant answer and of a
    pre-activation of 0, by a hundredth of its size, and above that of the same answers given to
    other samples; training has to end below it. A loss that is smallest for right answers has it
    below all of them, whatever it adds. One that reads answers and targets in different forms, as
    of boxes by their corners and by their centres, has the exchanged ones above.
    """
    start = record.objective_start
    if start is None or start.values is None or start.dependence is None:
        return None
    values = start.values
    if start.dependence.change < UNUSED:  # targets of other samples are as good
        return None
    if values.right is None or values.constant is None or start.dependence.erased_change < UNUSED:
        return None
    if values.exchanged is not None and values.exchanged > values.right:
        return None
    others = [values.start] if values.neutral is None else [values.start, values.neutral]
    # The constant's is of no size: where the sign is wrong it has no lower bound.
    margin = 0.01 * max(map(abs, (*others, values.right)))
    if not values.right > max(*others, values.constant) + margin:
        return None
    return values if _end(record) < values.right else None


def _end(record: RunRecord) -> float:
    """The last finite loss of training."""
    loss = record.scalars["loss"][record.steps > 0]
    loss = loss[np.isfinite(loss)]
    return float(loss[-1]) if loss.size else math.inf
