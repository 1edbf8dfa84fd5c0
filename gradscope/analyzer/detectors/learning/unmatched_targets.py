"""GS607: a loss that does not depend on which target belongs to which sample."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.constant_loss import paired_loss
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import (
    Action,
    Finding,
    OutcomeStatus,
    Remedy,
    RunRecord,
    Severity,
    TargetDependence,
)

LEARNED = 0.95
"""Loss over a constant answer's below which the network has learned, as for `not_learning`."""


@detector("GS607", rank=0, causes=("frozen_layers",))
def unmatched_targets(record: RunRecord, *, threshold: float = 1e-4) -> tuple[Finding, ...]:
    """Tell whether the loss knows which target belongs to which sample.

    What it measures:
        The gradient of the loss by the answers, at the start, on one batch; and the same after the
        targets of the batch were permuted. The figure is the rms of the change over the rms of the
        gradient.
    Error when:
        The figure is below the threshold, and targets and answers differ in their number of axes:
        targets (batch,) beside answers (batch, 1) are broadcast to (batch, batch), so that each
        answer is compared with all targets and becomes their mean. Or one target for all samples
        changes nothing either, the loss is one of Keras's, and the network has not learned: it does
        not use the targets. Or the loss is 0 at every step, the untrained network's too: no sample
        counts in it.
    Warning when:
        The same holds although both have the same axes: the loss compares sums or means of the
        batch. A loss on distributions does that on purpose; one that falls below a constant
        answer's is no finding.
    Not judged when:
        The loss has no gradient by the answers, is one of the user's own that does not use the
        targets, or all targets of the batch are the same; there are several outputs; or the record
        does not have the figure.
    Thresholds:
        threshold = 1e-4: the figure. A broadcast loss changes by the rounding of float32, 1e-7; the
            losses of Keras by 0.3 to 1.5.
    Why it matters:
        The network can learn nothing but one answer for all samples, and its loss looks normal.
    What to do:
        Give the targets the axes of the answers: y[:, None] for one value per sample.
    Source:
        The broadcasting rules of NumPy and TensorFlow.
    """
    start = record.objective_start
    if start is None:
        raise NotMeasured("the record has no facts of the start")
    fact = start.dependence
    if fact is None and _is_zero(record):
        return (_without_samples(record, threshold),)
    if fact is None:
        raise NotMeasured(start.unmeasured.get("dependence", "it was not measured"))
    if not fact.change < threshold:
        return ()
    if fact.erased_change < threshold:
        if not loss_curve.loss_name(record) or loss_curve.learns(record, LEARNED):
            raise NotMeasured("the loss does not use the targets")
        return (_unused(record, fact, threshold),)
    broadcast = len(fact.target_shape) != len(fact.answer_shape)
    if not broadcast and _below_constant(record):
        return ()
    action = Action.MATCH_TARGETS if broadcast else Action.COMPARE_EACH_SAMPLE
    return (
        findings.finding(
            record,
            Severity.ERROR if broadcast else Severity.WARNING,
            (),
            observed=fact.change,
            threshold=threshold,
            message="The loss does not depend on which target belongs to which sample.",
            cause=_cause(fact, broadcast=broadcast),
            details=(
                "With the targets of a batch in another order, the gradient by the answers changes "
                f"by {fact.change:.1g} of its size; where targets are matched, by about 1."
            ),
            remedies=(Remedy(action),),
            evidence=findings.evidence(
                record, n=fact.answer_shape[0], phase="start", batch_size=fact.answer_shape[0]
            ),
        ),
    )


def _unused(record: RunRecord, fact: TargetDependence, threshold: float) -> Finding:
    """That a loss of Keras has the same gradient whatever the targets are."""
    name = loss_curve.loss_name(record)
    return findings.finding(
        record,
        Severity.ERROR,
        (),
        observed=fact.erased_change,
        threshold=threshold,
        message="The loss does not use the targets.",
        cause=f"{name} has the same gradient for other targets: its settings, or their range.",
        details="With one target for all samples of a batch, no gradient by the answers changes.",
        remedies=(Remedy(Action.OTHER_LOSS),),
        evidence=findings.evidence(
            record, n=fact.answer_shape[0], phase="start", batch_size=fact.answer_shape[0]
        ),
    )


def _is_zero(record: RunRecord) -> bool:
    """Whether the loss is exactly 0 at every step, the untrained network's too."""
    if record.outcome.status is OutcomeStatus.DIVERGED or loss_curve.is_one_of_several(record):
        return False
    loss = record.scalars["loss"]
    return len(loss) > 1 and not np.any(loss)


def _without_samples(record: RunRecord, threshold: float) -> Finding:
    """That nothing is left of any batch: a loss of 0 before the first update."""
    return findings.finding(
        record,
        Severity.ERROR,
        (),
        observed=0.0,
        threshold=threshold,
        message="The loss is exactly 0 for every batch, and it was before the first update.",
        cause="No sample counts: sample weights, class weights or a mask of 0 take them all away.",
        details="It has no slope in the answers.",
        remedies=(Remedy(Action.CHECK_WEIGHTS),),
        evidence=findings.evidence(record, n=len(record.scalars["loss"]), phase="training"),
    )


def _below_constant(record: RunRecord) -> bool:
    """Whether the loss is below that of a constant answer on the same batches, by its noise."""
    paired = paired_loss(record)
    return paired is not None and paired.difference < -3.0 * paired.error


def _cause(fact: TargetDependence, *, broadcast: bool) -> str:
    targets, answers = fact.target_shape, fact.answer_shape
    if not broadcast:
        return "It compares the batch as a whole."
    return f"Targets {targets} and answers {answers} are broadcast against each other."
