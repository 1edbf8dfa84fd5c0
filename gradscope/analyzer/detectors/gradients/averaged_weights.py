"""GS108: a moving average that takes most of every step back."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.message_text import counted
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector(
    "GS108",
    rank=19,
    causes=("frozen_layers", "vanishing_gradient", "vanishing_signal", "unscaled_targets"),
)
def averaged_weights(record: RunRecord, *, min_left: float = 0.1) -> tuple[Finding, ...]:
    """Tell whether the optimizer overwrites the weights by an average that hardly follows them.

    What it measures:
        The share of the way of n steps in one direction that is left when the weights are
        overwritten by their moving average after them: 1 - m (1 - m^n) / (n (1 - m)) for a momentum
        m, so that 1 - m of every step is left where n is 1.
    Error when:
        It is below `min_left`, and the network has not learned well.
    Not judged when:
        The record does not say what the optimizer does.
    Thresholds:
        min_left = 0.1: the share. The training takes ten times as long then. A judgement.
    Why it matters:
        The learning rate that trains is a fraction of the one that was set.
    What to do:
        Leave ema_overwrite_frequency out: Keras then overwrites the weights once, after `fit`.
    Source:
        Keras's Optimizer: average = m average + (1 - m) weight, of weights that move by the same
        step n times from an average that is theirs.
    """
    objective = record.objective
    if objective is None:
        raise NotMeasured("the record does not say what the optimizer does")
    momentum, every = objective.ema_momentum, objective.ema_overwrite_frequency
    if momentum is None or every is None:
        return ()
    left = share_left(momentum, every)
    if left >= min_left or loss_curve.learns_well(record):
        return ()
    steps = "every step" if every == 1 else f"every {counted(every, 'step')}"
    return (
        findings.finding(
            record,
            Severity.ERROR,
            (),
            observed=left,
            threshold=min_left,
            message=(
                f"The weights are put back to their moving average after {steps}: {left:.2g} of "
                "the way is left."
            ),
            details=f"The optimizer has ema_momentum={momentum:g}.",
            cause="The learning rate that trains is that fraction of the one that was set.",
            remedies=(Remedy(Action.KEEP_WEIGHTS),),
            evidence=findings.evidence(
                record, n=every, steps=(int(record.steps[0]), int(record.steps[-1]))
            ),
        ),
    )


def share_left(momentum: float, every: int) -> float:
    """The share of the way of `every` equal steps that their moving average has made."""
    if momentum >= 1.0:
        return 0.0
    lag = momentum * (1.0 - momentum**every) / (1.0 - momentum)
    return 1.0 - lag / every
