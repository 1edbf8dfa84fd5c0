"""GS302: moving statistics that have not arrived."""

from __future__ import annotations

import math

from gradscope.analyzer import findings
from gradscope.analyzer.curves.lost_answers import lost_answers
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.network import batch_norms, is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity
from gradscope.record.remedies import change_settings

LEFT = 0.1
"""Share of the start that is left where the moving statistics may be used. A judgement."""

KERAS_DEFAULT = 0.99


@detector("GS302", rank=62, in_training=False)
def batch_norm_momentum(
    record: RunRecord, *, max_initial_share: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether batch norm's moving statistics can have arrived in the steps that were run.

    What it measures:
        The share of the initial mean 0 and variance 1 that is left after t steps: momentum^t, since
        Keras computes moving = moving * momentum + batch * (1 - momentum). At momentum 1 they never
        move; at 0 they are the last batch's.
    Error when:
        Momentum is 1: inference then normalizes by 0 and 1 whatever was learned. Or it is above
        Keras's 0.99, the share is above the threshold, and the answers over the probe set are lost
        in inference mode as `batch_norm_inference_gap` has it.
    Warning when:
        The share is above the threshold: momentum is above Keras's 0.99, or the run is short.
    Not judged when:
        No batch norm has moving statistics that move, or no step was made.
    Thresholds:
        max_initial_share = 0.5: the share of the start that is left; above it, more than half of
            what inference uses is the start. A momentum of 0.99 needs 69 steps to come below, 0.999
            needs 693.
    Why it matters:
        In inference mode the network is another one than in training. Training is not affected.
    What to do:
        Lower the momentum, or train longer. The momentum that is named is Keras's 0.99, or in a
        short run one that leaves a tenth of the start.
    Source:
        Ioffe & Szegedy 2015, section 3.1; the update rule of Keras's BatchNormalization.
    """
    norms = batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm whose moving statistics move")
    steps = record.outcome.steps_done
    if steps < 1:
        raise NotMeasured("no step was made")
    shares = [float(layer.momentum or 0.0) ** steps for layer in norms]
    worst = max(shares)
    if worst <= max_initial_share:
        return ()
    positions = [i for i, share in enumerate(shares) if share > max_initial_share]
    sick = [norms[i] for i in positions]
    momentum = max(float(layer.momentum or 0.0) for layer in sick)
    never = momentum >= 1.0
    usual = momentum <= KERAS_DEFAULT
    where = layer_names([layer.name for layer in sick], positions, count=False)
    left = f"are still {worst:.1%} their start after {steps} steps"
    rule = f"Each step computes moving = moving * {momentum:g} + batch * {1.0 - momentum:g}"
    power = "" if never else f" ({momentum:g}^{steps} of the start is left)"
    lower = change_settings(("model.batch_norm.momentum", _lower(steps, max_initial_share)))
    return (
        findings.finding(
            record,
            Severity.ERROR if never or (lost_answers(record) and not usual) else Severity.WARNING,
            sick,
            observed=worst,
            threshold=max_initial_share,
            message=f"The moving statistics of {where} {'never move' if never else left}.",
            details=f"{rule}{power}, and inference uses them.",
            cause=f"The batch norm momentum is {momentum:g}.",
            remedies=(_longer(record, momentum), lower) if usual else (lower,),
            evidence=findings.evidence(record, n=steps, phase="config"),
        ),
    )


def _longer(record: RunRecord, momentum: float) -> Remedy:
    """The steps after which a tenth of the start is left: 230 at Keras's momentum."""
    steps = 10 * math.ceil(0.1 * math.log(LEFT) / math.log(momentum))
    settings = () if is_user_model(record) else (("training.steps", steps),)
    return Remedy(Action.TRAIN_LONGER, settings)


def _lower(steps: int, max_share: float) -> float:
    """Keras's momentum, or one that leaves a tenth of the start where that is too slow as well."""
    if KERAS_DEFAULT**steps <= max_share:
        return KERAS_DEFAULT
    return math.floor(100 * math.pow(LEFT, 1 / steps)) / 100
