"""GS604: a loss that swings."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import step_size
from gradscope.record import Finding, RunRecord, Severity


@detector(
    "GS604",
    rank=34,
    follows=("exploding_signal", "unstable_updates", "diverging_loss", "dead_units"),
)
def oscillating_loss(
    record: RunRecord,
    *,
    max_swing: float = 3.0,
    max_constant_ratio: float = 0.9,
    min_steps: float = 20,
) -> tuple[Finding, ...]:
    """Tell whether the loss swings from step to step by more than batches differ.

    What it measures:
        The standard deviation of the loss over the last quarter of the recorded steps, times the
        square root of the batch size, over the median of the first twentieth: the spread that
        single samples would need to explain it, in units of the loss at the start.
    Error when:
        The spread is above the threshold, and the network has not learned.
    Warning when:
        The spread is above the threshold, and the network learns all the same: its loss over the
        probe set after training where that is known.
    Not judged when:
        Fewer than `min_steps` losses were recorded, the loss is not positive at some step, or it
        is the user's own: its first value is then no unit. Or the steps train other losses too.
    Thresholds:
        max_swing = 3: the spread. The losses of single samples spread about as much as they are
            large at the start. docs/calibration.md has the rates over a corpus.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned, as for `saturated_units`.
        min_steps = 20: the recorded steps from which a swing shows.
    Why it matters:
        Where the loss ends is chance.
    What to do:
        Lower the learning rate.
    Source:
        Goodfellow et al. 2016, section 11.4.1 (violent oscillations of the loss).
    """
    curve = loss_curve.judged_curve(record)
    if len(curve.loss) < min_steps:
        raise NotMeasured(f"{len(curve.loss)} recorded steps are too few to see a swing")
    if not curve.loss.min() > 0:
        raise NotMeasured("the loss is not positive, so it has no ratio")
    if not loss_curve.loss_name(record):
        raise NotMeasured("the loss is the user's own, so its first value is no unit")
    rows = window.last_quarter(curve.steps)
    spread = float(curve.loss[rows].std(ddof=1))
    observed = spread * record.batch_size**0.5 / curve.first
    if not observed > max_swing:
        return ()
    learns = loss_curve.learned(record, max_constant_ratio)
    return (
        findings.finding(
            record,
            Severity.WARNING if learns else Severity.ERROR,
            (),
            since_step=int(curve.steps[rows][0]),
            until_step=int(curve.steps[-1]),
            observed=observed,
            threshold=max_swing,
            message=(
                f"The loss oscillates: around {curve.last:.3g} it swings by {spread:.2g} from "
                "batch to batch."
            ),
            details=f"That is {observed:.2g} times what the samples at the start account for.",
            evidence=findings.loss_evidence(record, curve),
            remedies=(step_size.lower_learning_rate(record),),
        ),
    )
