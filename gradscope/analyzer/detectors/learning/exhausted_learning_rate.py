"""GS605: a learning rate that has run out."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity
from gradscope.record.run_record import FIT

_LENGTHS = ("decay_steps", "first_decay_steps")
"""Parameters of Keras's schedules that count steps."""


@detector("GS605", rank=66, causes=("frozen_layers", "vanishing_gradient", "vanishing_signal"))
def exhausted_learning_rate(
    record: RunRecord,
    *,
    max_share: float = 1e-3,
    max_usable: float = 0.5,
    max_left: float = 0.2,
) -> tuple[Finding, ...]:
    """Tell whether the learning rate ran out long before the training did.

    What it measures:
        The learning rate of each recorded step over the largest one before it.
    Error when:
        From some step to the end it is below `max_share`, that step is not later than `max_usable`
        of all steps, and the network has not learned well: its loss did not come below half of a
        constant prediction's (of the first loss where none is known), nor its accuracy half of the
        way from chance to all right.
    Warning when:
        The same holds of the rate, and the network learned well, but its loss is not below
        `max_left` of a constant prediction's: there was something left to learn.
    Not judged when:
        No learning rate was recorded.
    Thresholds:
        max_share = 0.001: the rate over its largest. At a thousandth, a thousand steps do what one
            did. A schedule that falls to nothing over the whole training, as a cosine does, is
            there in its last steps only.
        max_usable = 0.5: the share of the steps before that. A judgement.
        max_left = 0.2: the loss over that of a constant prediction (over the first loss where none
            is known). A judgement.
    Why it matters:
        The steps that follow change nothing: the network stays as it is.
    What to do:
        Give the schedule as many steps as the training has, from the largest rate on. Keras counts
        batches, not epochs.
    Source:
        Keras's LearningRateSchedule, which is called with the optimizer's iterations.
    """
    rates = record.scalars["learning_rate"]
    usable = (record.steps > 0) & np.isfinite(rates)
    steps, rates = record.steps[usable], rates[usable]
    if not rates.size:
        raise NotMeasured("no learning rate was recorded")
    highest = np.maximum.accumulate(rates)
    # A rate that warms up from 0 has not run out at 0.
    shares = np.divide(rates, highest, out=np.ones(len(rates)), where=highest > 0)
    in_use = np.flatnonzero(shares >= max_share)
    since = int(in_use[-1]) + 1 if in_use.size else 0
    late = since >= len(steps) or steps[since] > max_usable * steps[-1]
    if late or loss_curve.learned(record, max_left):
        return ()
    well = loss_curve.learns_well(record)
    peak = int(np.argmax(rates))
    start, end = f"{rates[peak]:.3g} at step {steps[peak]}", f"{rates[-1]:.3g} at step {steps[-1]}"
    return (
        findings.finding(
            record,
            Severity.WARNING if well else Severity.ERROR,
            (),
            since_step=int(steps[since]),
            until_step=int(steps[-1]),
            observed=float(shares[since]),
            threshold=max_share,
            message=f"The learning rate has run out: it fell from {start} to {end}.",
            details=(
                f"Since step {steps[since]} it is less than {max_share:g} of its largest, and so "
                "are the steps."
            ),
            cause=_schedule(record),
            remedies=(
                Remedy(
                    Action.SLOW_SCHEDULE,
                    replaces=float(rates[peak]),
                    decay_steps=record.outcome.steps_requested,
                ),
            ),
            evidence=findings.evidence_over_steps(
                record, n=len(rates), steps=steps[since:], values=rates[since:]
            ),
        ),
    )


def _schedule(record: RunRecord) -> str:
    """The schedule that did it, and what it counts; "" where the rate has none."""
    objective = record.objective
    if objective is None or not objective.schedule:
        return ""
    given = objective.schedule_parameters
    lengths = [f"{name}={given[name]:g}" for name in _LENGTHS if name in given]
    named = f"{objective.schedule} with {lengths[0]}" if lengths else objective.schedule
    samples = record.data.samples if record.data.name != FIT else 0
    epoch = math.ceil(samples / record.batch_size)
    counted = f": an epoch is {epoch} steps" if epoch > 1 else ""
    return f"{named} counts steps, not epochs{counted}."
