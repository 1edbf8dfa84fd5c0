"""GS603: a loss that grows."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import step_size
from gradscope.record import Finding, RunRecord, Severity


@detector(
    "GS603", rank=32, follows=("non_finite", "exploding_signal", "unstable_updates", "dead_units")
)
def diverging_loss(
    record: RunRecord, *, max_growth: float = 2.0, min_steps: float = 8
) -> tuple[Finding, ...]:
    """Tell whether training makes the loss larger.

    What it measures:
        The median loss over the last quarter of the recorded steps over the median of the first
        twentieth. It is a ratio, so the scale of the loss does not matter. Where the loss over the
        probe set after training is known, its ratio counts as well: of a loss that comes in spikes,
        most single batches show nothing.
    Error when:
        One of the ratios is above the threshold, and that loss is above the constant prediction's
        where that is known.
    Not judged when:
        Fewer than `min_steps` losses were recorded, the loss is not positive, or the steps train
        other losses too.
    Thresholds:
        max_growth = 2: the ratio. No noise of batches doubles a median, and the network is worse
            than untrained. docs/calibration.md has the rates over a corpus.
        min_steps = 8: the recorded steps from which a trend shows.
    Why it matters:
        Training makes the network worse.
    What to do:
        Lower the learning rate.
    Source:
        Goodfellow et al. 2016, section 11.4.1 (a learning rate above the optimum).
    """
    curve = loss_curve.judged_curve(record)
    if len(curve.loss) < min_steps:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to see a trend")
    if not curve.loss.min() > 0:
        raise NotMeasured("the loss is not positive, so it has no ratio")
    levels = [curve.last, loss_curve.end_loss(record)]
    best, limit = loss_curve.constant_predictor(record), max_growth * curve.first
    bests = [best, loss_curve.constant_of_answers(record)]
    grown = [x for x, best in zip(levels, bests, strict=True) if x > limit and not x <= best]
    if not grown:
        return ()
    ratio = grown[0] / curve.first
    onset = curve.loss > limit
    since = int(curve.steps[window.onset(onset) if onset.any() else -1])
    if grown[0] == curve.last:
        message = f"The loss diverges: from {curve.first:.3g} it grew to {curve.last:.3g}."
        details = f"That is x{ratio:.2g}, since step {since}."
    else:
        message = f"The loss diverges: over the probe set it ends at {grown[0]:.3g}."
        details = (
            f"That is x{ratio:.2g} the {curve.first:.3g} at the start, although half of the last "
            f"batches have {curve.last:.3g} or less."
        )
    return (
        findings.finding(
            record,
            Severity.ERROR,
            (),
            since_step=since,
            until_step=int(curve.steps[-1]),
            observed=ratio,
            threshold=max_growth,
            message=message,
            details=details,
            evidence=findings.loss_evidence(record, curve),
            remedies=(step_size.lower_learning_rate(record),),
        ),
    )
