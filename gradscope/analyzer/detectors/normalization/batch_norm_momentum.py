"""GS302: moving statistics that have not arrived."""

from __future__ import annotations

from gradscope.analyzer import static_findings
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity
from gradscope.record.remedies import change_settings

KERAS_DEFAULT = 0.99


@detector("GS302", rank=62)
def batch_norm_momentum(record: RunRecord, *, remaining: float = 0.5) -> tuple[Finding, ...]:
    """Tell whether batch norm's moving statistics can have arrived in the steps that were run.

    Statistic: share of the initial mean 0 and variance 1 that is left after t steps: momentum^t,
    since Keras computes moving = moving * momentum + batch * (1 - momentum). At momentum 1 they
    never move; at 0 they are the last batch's.

    Error when momentum is 1: inference then normalizes by 0 and 1 whatever was learnt. Above
    `remaining`, default 0.5, more than half of what inference uses is still the start: warning for
    a momentum above Keras's 0.99, otherwise info, for then it is the run that is short. The
    default momentum of 0.99 needs 69 steps to come below, 0.999 needs 693. Figures of the training
    mode are not concerned.
    """
    norms = static_findings.batch_norms(record)
    if not norms:
        raise NotMeasured("there is no batch norm whose moving statistics move")
    done = record.outcome.steps_done
    if done < 1:
        raise NotMeasured("no step was made")
    share = [float(layer.momentum or 0.0) ** done for layer in norms]
    worst = max(share)
    if worst <= remaining:
        return ()
    places = [i for i, left in enumerate(share) if left > remaining]
    sick = [norms[i] for i in places]
    momentum = max(float(layer.momentum or 0.0) for layer in sick)
    never = momentum >= 1.0
    where = named([layer.name for layer in sick], places)
    left = f"are still {worst:.1%} their start after {done} steps ({momentum:g}^{done})"
    fate = "never move" if never else left
    return (
        static_findings.finding(
            record,
            Severity.ERROR
            if never
            else Severity.WARNING
            if momentum > KERAS_DEFAULT
            else Severity.INFO,
            sick,
            observed=worst,
            threshold=remaining,
            message=(
                f"The moving statistics of {where} {fate}: each step computes moving = moving * "
                f"{momentum:g} + batch * {1.0 - momentum:g}, and inference uses them."
            ),
            remedies=(change_settings(("model.batch_norm.momentum", KERAS_DEFAULT)),)
            if never or momentum > KERAS_DEFAULT
            else (Remedy(Action.TRAIN_LONGER), Remedy(Action.LOWER_MOMENTUM)),
            n=done,
        ),
    )
