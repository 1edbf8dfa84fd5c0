"""GS612: inputs that are the same for every sample."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, InputVariety, Remedy, RunRecord, Severity


@detector(
    "GS612",
    rank=-2,
    causes=(
        "collapsed_representation",
        "dead_units",
        "saturated_units",
        "unscaled_input",
        "vanishing_gradient",
        "vanishing_signal",
        "vanishing_through_time",
    ),
)
def constant_inputs(record: RunRecord, *, min_samples: float = 8) -> tuple[Finding, ...]:
    """Tell whether all samples have the same input.

    What it measures:
        Whether any two samples of the recorded batches differ in any of their inputs. Of sequences
        of whole numbers, zeros at their ends are padding: they are the same where one number fills
        all of them, as the unknown word of a vocabulary does.
    Error when:
        No two of at least `min_samples` samples differ, and the network has not learned well.
    Not judged when:
        Fewer samples were seen, or the record does not have the figure.
    Thresholds:
        min_samples = 8: the samples of which no two differ. A judgement: a batch of fewer may hold
            copies of one sample.
    Why it matters:
        The network cannot answer two samples differently, whatever it learns.
    What to do:
        Look for the line that lost the inputs. A TextVectorization that was not adapted to the
        texts gives 1 for every word.
    Source:
        The best answer to equal inputs is a constant one.
    """
    start = record.objective_start
    inputs = start.inputs if start is not None else None
    if inputs is None:
        raise NotMeasured("whether inputs differ was not looked at")
    if inputs.differ:
        return ()
    if inputs.samples < min_samples:
        raise NotMeasured(f"only {inputs.samples} samples were looked at")
    if loss_curve.learns_well(record):
        return ()
    words = inputs.token is not None
    return (
        findings.finding(
            record,
            Severity.ERROR,
            (),
            observed=inputs.samples,
            threshold=min_samples,
            message=_message(inputs),
            details=f"{inputs.samples} samples were looked at.",
            cause="The network cannot answer two samples differently.",
            remedies=(Remedy(Action.ADAPT_VOCABULARY if words else Action.REPAIR_INPUTS),),
            evidence=findings.evidence(record, n=inputs.samples, phase="start"),
        ),
    )


def _message(inputs: InputVariety) -> str:
    if inputs.token is None:
        return "All samples have the same input."
    return f"All samples have the same input: every token is {inputs.token}."
