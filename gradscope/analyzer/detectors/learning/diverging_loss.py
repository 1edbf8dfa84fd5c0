"""GS603: a loss that grows."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes
from gradscope.record import Finding, RunRecord, Severity


@detector("GS603", rank=32, follows=("non_finite", "exploding_signal", "unstable_updates"))
def diverging_loss(
    record: RunRecord, *, max_growth: float = 2.0, min_steps: float = 8
) -> tuple[Finding, ...]:
    """Tell whether training makes the loss larger.

    What it measures:
        The median loss over the last quarter of the recorded steps over the median of the first
        twentieth. It is a ratio, so the scale of the loss does not matter.
    Error when:
        The ratio is above the threshold, and the loss is above the constant prediction's where that
        is known.
    Not judged when:
        Fewer than `min_steps` losses were recorded, or the loss is not positive.
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
    curve = loss_curve.training_curve(record)
    if len(curve.loss) < min_steps:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to see a trend")
    if not curve.loss.min() > 0:
        raise NotMeasured("the loss is not positive, so it has no ratio")
    ratio = curve.last / curve.first
    if not ratio > max_growth or curve.last <= loss_curve.constant_predictor(record):
        return ()
    since = int(curve.steps[window.onset(curve.loss > max_growth * curve.first)])
    return (
        findings.finding(
            record,
            Severity.ERROR,
            (),
            since_step=since,
            until_step=int(curve.steps[-1]),
            observed=ratio,
            threshold=max_growth,
            message=(f"The loss diverges: from {curve.first:.3g} it grew to {curve.last:.3g}."),
            details=f"That is x{ratio:.2g}, since step {since}.",
            evidence=findings.loss_evidence(record, curve),
            remedies=(causes.lower_learning_rate(record),),
        ),
    )
