"""GS611: targets that are the same for every sample."""

from __future__ import annotations

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import (
    Action,
    Finding,
    LayerInfo,
    Remedy,
    RunRecord,
    Severity,
    TargetSummary,
    Trait,
)


@detector(
    "GS611",
    rank=-1,
    causes=(
        "collapsed_representation",
        "dead_units",
        "exhausted_learning_rate",
        "saturated_units",
        "vanishing_gradient",
        "vanishing_signal",
    ),
)
def constant_targets(
    record: RunRecord, *, max_variance: float = 0.0, min_samples: float = 2
) -> tuple[Finding, ...]:
    """Tell whether all samples have the same target.

    What it measures:
        The variance of the targets over the samples, about the mean of each of their values.
    Error when:
        It is at most `max_variance`, a loss of Keras compares the targets with the answers, and the
        answers are those of the last layer: one value each, or classes.
    Warning when:
        The same holds where a target has several values, or something stands behind the last layer
        with weights: a residual or a distance may be meant to be 0 for every sample.
    Not judged when:
        Fewer than `min_samples` targets were read, or not all of them and later batches are not
        known; targets are several arrays or no numbers; the loss is one of the user's own, which
        need not use them; or the output layer is frozen, as a discriminator while its generator
        trains.
    Thresholds:
        max_variance = 0: equal targets, exactly.
        min_samples = 2: one target has no variance.
    Why it matters:
        One bias gives every answer. The loss falls, and nothing is learned of the samples.
    What to do:
        Look for the line that lost the targets: a column that was read twice, an average over the
        wrong axis, a filter that kept one class.
    Source:
        The best constant answer has a loss of zero then, so that no network can be better.
    """
    targets, outputs = _targets(record), loss_curve.output_layers(record)
    if targets.samples < min_samples:
        raise NotMeasured("too few targets were read")
    if targets.variance > max_variance:
        return ()
    if not loss_curve.loss_name(record):
        raise NotMeasured("the loss is one of the user's own, which need not use the targets")
    if len(outputs) != 1 or outputs[0].frozen:
        raise NotMeasured("no single output layer trains")
    order = record.objective_start.order if record.objective_start is not None else None
    if order is not None:
        return ()  # other batches have other targets
    if targets.samples < record.data.samples:
        raise NotMeasured("not all targets were read, and those that were are the same")
    sure = (targets.form != "real" or targets.width == 1) and _is_last(record, outputs[0])
    return (
        findings.finding(
            record,
            Severity.ERROR if sure else Severity.WARNING,
            outputs,
            observed=targets.variance,
            threshold=max_variance,
            message="All targets are the same.",
            details=f"{_value(targets)}{targets.samples} were read.",
            cause="A constant answer is right for every sample: there is nothing to learn.",
            remedies=(Remedy(Action.REPAIR_TARGETS),),
            evidence=findings.evidence(record, n=targets.samples, phase="start"),
        ),
    )


def _targets(record: RunRecord) -> TargetSummary:
    targets = record.data.targets
    if targets is None or not targets.form:
        raise NotMeasured("the targets are not one array of numbers, or are not known as a whole")
    return targets


def _is_last(record: RunRecord, output: LayerInfo) -> bool:
    """Whether the layers behind it, if any, compute one value from each of its values."""
    alone = {Trait.ACTIVATION, Trait.UNCHANGED_VALUES, Trait.RESCALING}
    return all(alone & set(layer.traits) for layer in record.layers[output.index + 1 :])


def _value(targets: TargetSummary) -> str:
    if targets.form == "one_hot":
        return f"Each is class {targets.shares.index(max(targets.shares))}; "
    return f"Each is {targets.minimum:.4g}; " if targets.width == 1 else ""
