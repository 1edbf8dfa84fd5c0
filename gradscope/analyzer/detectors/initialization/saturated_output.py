"""GS405: answers that are sure, and wrong, before anything is trained."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import feature_size, loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes, measured_start
from gradscope.record import Action, Finding, Remedy, Role, RunRecord, Severity


@detector("GS405", rank=13, follows=("unscaled_input", "exploding_signal"))
def saturated_output(
    record: RunRecord,
    *,
    min_saturated: float = 0.5,
    max_start_ratio: float = 3.0,
    max_constant_ratio: float = 0.5,
    max_unscaled_ratio: float = 0.95,
) -> tuple[Finding, ...]:
    """Tell whether the output activation is saturated at initialisation, by weights too large.

    What it measures:
        The share of the answers within a thousandth of a bound of the output activation (of a
        softmax: the share of the samples whose largest probability is), and the first loss over
        that of the best constant answer on the same batch.
    Error when:
        The share is at least `min_saturated` and the loss above `max_start_ratio`, of a squared
        error above half of it.
    Warning when:
        The same holds and the network learns all the same. Where unscaled features are the cause,
        learning is what `unscaled_input` takes for it.
    Not judged when:
        The output activation has no bounds, the loss of a constant answer is not known, or the
        record does not begin with the network as initialised.
    Thresholds:
        min_saturated = 0.5: the share. The sigmoid's gradient is a 250th of its largest there.
        max_start_ratio = 3: the first loss over the constant answer's. Initializers that keep the
            signal's size give about 1 to 1.5. A squared error of answers at the bounds that have
            nothing to do with the targets is twice the constant's: E(y - y')^2 = 2 var(y).
        max_constant_ratio = 0.5: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network learns.
        max_unscaled_ratio = 0.95: the same where the features are above an rms of 10, as for
            `unscaled_input`; an accuracy above chance is learning too.
    Why it matters:
        Training first has to undo the start: the loss falls for thousands of steps, and nothing is
        learned meanwhile.
    What to do:
        Use the initializer that the activation is paired with.
    Source:
        Glorot and Bengio 2010, section 3; Karpathy 2019, "verify loss @ init".
    """
    start = record.objective_start
    if start is None or start.scale is None or start.values is None:
        raise NotMeasured("the record has no facts of the start")
    share, values = start.scale.saturated, start.values
    if share is None:
        raise NotMeasured("the output activation has no bounds")
    if values.constant is None or not values.constant > 0.0:
        raise NotMeasured("the loss of a constant answer is not known")
    ratio = values.start / values.constant
    squared = loss_curve.loss_name(record) == "mean_squared_error"
    limit = max_start_ratio / 2 if squared else max_start_ratio
    if share < min_saturated or not ratio > limit:
        return ()
    designed = causes.growth_by_design(record)
    why, remedies = measured_start.larger_than_usual(record)
    if designed is not None:
        why, remedies = designed.sentence, designed.remedies
    learns = loss_curve.learns_well(record, max_constant_ratio) or (
        feature_size.are_large(record) and loss_curve.learns(record, max_unscaled_ratio)
    )
    outputs = [layer for layer in record.layers if layer.role == Role.OUTPUT]
    return (
        findings.finding(
            record,
            Severity.WARNING if learns else Severity.ERROR,
            outputs,
            observed=ratio,
            threshold=limit,
            message=(
                f"The answers are saturated at initialisation: the loss starts at "
                f"{values.start:.3g}, a constant answer's is {values.constant:.3g}."
            ),
            cause=why,
            details=f"{share:.0%} of the answers are at the bounds of the output activation.",
            remedies=remedies or (Remedy(Action.SHRINK_WEIGHTS),),
            evidence=findings.evidence(record, n=record.batch_size, phase="start"),
        ),
    )
