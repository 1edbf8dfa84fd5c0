"""GS604: a loss that swings."""

from __future__ import annotations

from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes
from gradscope.record import Finding, RunRecord, Severity


@detector(
    "GS604",
    rank=34,
    follows=("unscaled_input", "exploding_signal", "unstable_updates", "diverging_loss"),
)
def oscillating_loss(
    record: RunRecord, *, swing: float = 3.0, learned: float = 0.9, fewest: float = 20
) -> tuple[Finding, ...]:
    """Tell whether the loss swings from step to step by more than batches differ.

    Statistic: standard deviation of the loss over the last quarter of the recorded steps, times the
    square root of the batch size, over the median of the first twentieth: the spread that single
    samples would need to explain it, in units of the loss at the start.

    Fires above `swing`: error when the loss is not below `learned` of the first (default 0.9, as
    for `saturated_units`), warning while it learns all the same. Default 3: the losses of single
    samples spread about as much as they are large at the start. Nothing is said before `fewest`
    (default 20) recorded steps. docs/calibration.md has what was measured over a corpus.
    """
    curve = loss_curve.of(record)
    if len(curve.loss) < fewest:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to see a swing")
    if not curve.first > 0:
        raise NotMeasured("the loss is not positive, so it has no ratio")
    rows = window.last(len(curve.loss))
    spread = float(curve.loss[rows].std(ddof=1))
    observed = spread * record.batch_size**0.5 / curve.first
    if not observed > swing:
        return ()
    learns = loss_curve.learned(record, learned)
    since = int(curve.steps[rows][0])
    return (
        Finding(
            severity=Severity.WARNING if learns else Severity.ERROR,
            layers=(),
            since_step=since,
            until_step=int(curve.steps[-1]),
            observed=observed,
            threshold=swing,
            message=(
                f"The loss oscillates: around {curve.last:.3g} it swings by {spread:.2g} from "
                f"batch to batch, {observed:.2g} times what the samples at the start account for."
            ),
            evidence=loss_curve.evidence(record, curve),
            remedies=(causes.lower_learning_rate(record),),
        ),
    )
