"""GS603: a loss that grows."""

from __future__ import annotations

from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes
from gradscope.record import Finding, RunRecord, Severity


@detector(
    "GS603",
    rank=32,
    follows=("unscaled_input", "non_finite", "exploding_signal", "unstable_updates"),
)
def diverging_loss(
    record: RunRecord, *, times: float = 2.0, fewest: float = 8
) -> tuple[Finding, ...]:
    """Tell whether training makes the loss larger.

    Statistic: median loss over the last quarter of the recorded steps over the median of the first
    twentieth. A ratio, so that the loss's scale is nothing; it needs a positive loss.

    Error above `times`, when the loss is also above the constant predictor's where that is known.
    Default 2: no noise of batches doubles a median, and the network is worse than untrained.
    Nothing is said before `fewest` (default 8) recorded steps. Error rates over a corpus are not
    measured yet.
    """
    curve = loss_curve.of(record)
    if len(curve.loss) < fewest:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to see a trend")
    if not curve.loss.min() > 0:
        raise NotMeasured("the loss is not positive, so it has no ratio")
    ratio = curve.last / curve.first
    if not ratio > times or curve.last <= loss_curve.constant_predictor(record):
        return ()
    above = curve.loss > times * curve.first
    since = int(curve.steps[window.onset(above)])
    return (
        Finding(
            severity=Severity.ERROR,
            layers=(),
            since_step=since,
            until_step=int(curve.steps[-1]),
            observed=float(ratio),
            threshold=times,
            message=(
                f"The loss diverges: from {curve.first:.3g} it grew to {curve.last:.3g}, "
                f"x{ratio:.2g}, since step {since}."
            ),
            evidence=loss_curve.evidence(record, curve),
            remedies=(causes.lower_learning_rate(record),),
        ),
    )
