"""GS610: samples that come in the order of their targets."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector("GS610", rank=16, causes=("oscillating_loss", "diverging_loss", "dead_units"))
def unshuffled_data(
    record: RunRecord,
    *,
    threshold: float = 0.5,
    max_sorted_share: float = 0.1,
    max_constant_ratio: float = 0.95,
    max_sorted_ratio: float = 0.5,
) -> tuple[Finding, ...]:
    """Tell whether batches hold targets that are alike, as of data sorted by class.

    What it measures:
        The variance of the targets within a batch over their variance within and between batches,
        over the recorded steps: 1 for samples in random order, 0 where each batch has one class.
    Error when:
        The share is below `threshold`, and over the probe set, after training, the loss is not
        below `max_constant_ratio` of a constant answer's: the network knows the last batches, and
        has forgotten the others. Of classes with a share below `max_sorted_share` it has to be
        below `max_sorted_ratio`.
    Warning when:
        The targets are classes, the share is below `max_sorted_share`, and the network has learned,
        or its loss over the probe set is not known, as in the callback.
    Not judged when:
        Batches hold fewer than four samples, fewer than eight were recorded, or targets are no
        numbers, or all alike.
    Thresholds:
        threshold = 0.5: the share. Shuffled samples have 1, within the chance of some eight
            batches; half of the variance between batches is far from it. A judgement.
        max_sorted_share = 0.1: the share of batches that hold little more than one class.
        max_constant_ratio = 0.95: the loss over that of a constant prediction below which the
            network has learned, as for `not_learning`.
        max_sorted_ratio = 0.5: the same for classes in their order. A judgement.
    Why it matters:
        Each step fits the targets of its batch. The loss of the batches falls, and the network
        answers with what it saw last.
    What to do:
        Shuffle the samples before they are put into batches.
    Source:
        Bengio 2012, section 3.1.2 (samples in random order); one-way analysis of variance.
    """
    start = record.objective_start
    if start is None or start.order is None:
        raise NotMeasured("too few batches of numbers were seen to tell their order")
    share = start.order.within
    by_class = share < max_sorted_share and _classes(record)
    reached = loss_curve.loss_share(record, loss_curve.end_loss(record), of_answers=True)
    grave = reached >= (max_sorted_ratio if by_class else max_constant_ratio)
    if not share < threshold or not (grave or by_class):
        return ()
    forgotten = ""
    if grave:
        forgotten = (
            f"Over the probe set the loss is {loss_curve.end_loss(record):.3g}, a constant "
            f"answer's is {loss_curve.constant_of_answers(record):.3g}."
        )
    return (
        findings.finding(
            record,
            Severity.ERROR if grave else Severity.WARNING,
            (),
            observed=share,
            threshold=threshold if grave else max_sorted_share,
            message="The samples come in the order of their targets.",
            cause=forgotten,
            details=(
                f"Of the variance of the targets {share:.2g} lies within a batch, over "
                f"{start.order.batches} batches; of samples in random order all of it does."
            ),
            remedies=(Remedy(Action.SHUFFLE_DATA),),
            evidence=findings.evidence(record, n=start.order.batches),
        ),
    )


def _classes(record: RunRecord) -> bool:
    """Whether the targets are classes, by the data or by the loss."""
    named = loss_curve.loss_name(record).endswith("crossentropy")
    return bool(loss_curve.class_shares(record)) or named
