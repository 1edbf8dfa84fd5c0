"""GS606: targets far from the answers that the network starts with."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.constant_loss import paired_loss
from gradscope.analyzer.curves.weight_constraints import layers_under_constraint
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import times_text
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, AnswerScale, Finding, Remedy, Role, RunRecord, Severity


@detector(
    "GS606",
    rank=11,
    causes=(
        "non_finite",
        "exploding_signal",
        "exploding_gradient",
        "unstable_updates",
        "diverging_loss",
        "oscillating_loss",
        "dead_units",
        "frozen_layers",
        "collapsed_representation",
        "saturated_units",
    ),
)
def unscaled_targets(
    record: RunRecord,
    *,
    max_distance: float = 30.0,
    max_first_update: float = 1.0,
    min_approach: float = 0.5,
    min_approach_steps: float = 100,
    max_constant_ratio: float = 0.9,
    max_growth: float = 1000.0,
    standard_errors: float = 3.0,
) -> tuple[Finding, ...]:
    """Tell whether real targets are too far from the answers for the optimizer to get there.

    What it measures:
        The rms of the distance between targets and answers over the rms of the answers, at the
        start, on one batch. Where the output kernel is smaller than Glorot's initializer makes it,
        over that of the answers of such a kernel: small answers are no far targets. Beside it: the
        update ratio of the first step, and the rms of the change that it makes in the answers.
    Error when:
        The distance is above `max_distance`, and the first update changes a layer by more than
        `max_first_update` of its size, as it does where the step grows with the gradient (SGD); or
        after `min_approach_steps` steps the loss has come less than `min_approach` of the way to
        the constant answer's: where the step does not grow with the gradient (Adam, RMSprop) it
        moves by as little as for targets of unit size. So it does where the targets lie around the
        answers and there is no such way: steps as large as the first, all in one direction, have
        not covered `min_approach` of the distance. Or the signal in a hidden layer has grown by
        more than `max_growth` to get there, and the loss is not below half of the constant's.
    Warning when:
        The same holds of the way after fewer steps. Or the network is slow: its loss has come to
        the constant answer's, but not half of the way from there to that of right answers, it still
        falls from the third quarter of the steps to the last by `standard_errors`, and as many
        steps as large as the first, all in one direction, have not covered `min_approach` of the
        distance.
    Not judged when:
        The targets are classes, the answers are bounded or zero, or the record does not have the
        figure. Any other network that learns is no finding: where the loss has come to rest, noise
        in the targets may be what is left.
    Thresholds:
        max_distance = 30: the distance over the answers. Targets of unit size have about 1 to 3.
        max_first_update = 1: one step replaces a layer, as for `unstable_updates`.
        min_approach = 0.5: the fall of the loss over its distance from the constant answer's at the
            start. Beyond the half of it the network is on its way.
        min_approach_steps = 100: the steps before which the rest of the way may still be made.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned.
        max_growth = 1000: the rms of z in the last quarter over that at the start, as for
            `exploding_signal`.
        standard_errors = 3: the fall in its standard errors, as for `not_learning`.
    Why it matters:
        No learning rate suits: one that the start survives takes the rest nowhere.
    What to do:
        Scale the targets to mean 0 and standard deviation 1, and the answers back.
    Source:
        Bishop 1995, section 8.2: the gradient by an output weight is the error times an activation
        of about unit size.
    """
    scale = _scale(record)
    shortfall = _kernel_shortfall(record)
    distance = float(scale.distance or 0.0) / (scale.answers * shortfall)
    grown = _growth(record) > max_growth and not loss_curve.learns_well(record)
    learned = loss_curve.learned(record, max_constant_ratio) and not grown
    if not distance > max_distance:
        return ()
    ratio, layer = _first_update(record)
    overwritten = ratio > max_first_update
    slow = _approach(record, 1.0 - max_constant_ratio) < min_approach
    if learned or not (overwritten or grown or slow):
        if not _on_its_way(record, scale, min_approach, standard_errors):
            return ()
        return (_finding(record, Severity.WARNING, shortfall, max_distance, _slow(scale)),)
    early = not (overwritten or grown) and record.outcome.steps_done < min_approach_steps
    severity = Severity.WARNING if early else Severity.ERROR
    cause = _overwritten(ratio, layer) if overwritten else _slow(scale)
    return (_finding(record, severity, shortfall, max_distance, cause),)


def _finding(
    record: RunRecord, severity: Severity, shortfall: float, max_distance: float, cause: str
) -> Finding:
    scale = _scale(record)
    distance = float(scale.distance or 0.0) / (scale.answers * shortfall)
    of_kernel = " of a kernel of Glorot's size" if shortfall > 1.0 else ""
    targets, answers = float(scale.targets or 0.0), scale.answers
    return findings.finding(
        record,
        severity,
        [x for x in record.layers if x.role == Role.OUTPUT],
        observed=distance,
        threshold=max_distance,
        message=(
            f"The targets are unscaled: their rms is {targets:.3g}, that of the answers at the "
            f"start {answers:.2g}."
        ),
        cause=cause,
        details=f"Targets and answers are {distance:.2g} times the answers{of_kernel} apart.",
        remedies=(Remedy(Action.SCALE_TARGETS),),
        evidence=findings.evidence(record, n=record.batch_size, phase="start"),
    )


def _scale(record: RunRecord) -> AnswerScale:
    start = record.objective_start
    if start is None or start.scale is None:
        why = start.unmeasured.get("scale", "it was not measured") if start else ""
        raise NotMeasured(why or "the record has no facts of the start")
    if start.scale.targets is None or start.scale.distance is None:
        raise NotMeasured("the targets are no real values, one for each answer")
    if start.scale.saturated is not None:
        raise NotMeasured("the output activation bounds the answers")
    if not start.scale.answers > 0.0 or not math.isfinite(start.scale.distance):
        raise NotMeasured("the answers at the start are zero or not finite")
    return start.scale


def _kernel_shortfall(record: RunRecord) -> float:
    """The rms of a kernel of Glorot's over that of the output layer at the start; 1 if smaller.

    The variance is 2 / (fan_in + fan_out) (Glorot and Bengio 2010, eq. 12).
    """
    ends = loss_curve.output_layers(record)
    if len(ends) != 1 or not len(record.steps) or record.steps[0] != 0:
        return 1.0
    [layer], square = ends, float(record.series["weight_second_moment"][0, ends[0].index])
    if not layer.fan_in or not layer.fan_out or not square > 0.0:
        return 1.0
    return max(1.0, math.sqrt(2.0 / (layer.fan_in + layer.fan_out) / square))


def _first_update(record: RunRecord) -> tuple[float, str]:
    """The largest update ratio of the first step, and its layer; 0 where it is not known."""
    held = layers_under_constraint(record)  # that of such a layer is mostly the constraint's
    both = record.indices(Role.HIDDEN, Role.OUTPUT)
    columns = [column for column in both if record.layers[column].name not in held]
    rows = np.flatnonzero(record.steps == 1)
    if not columns or not rows.size:
        return 0.0, ""
    update = np.nan_to_num(record.series["update_ratio"][rows[0], columns], nan=0.0)
    largest = int(np.argmax(update))
    return float(update[largest]), record.layers[columns[largest]].name


def _growth(record: RunRecord) -> float:
    """The largest growth of the rms of z in a hidden layer since the start; 0 if not known."""
    z = record.series["preactivation_second_moment"][:, list(record.indices(Role.HIDDEN))]
    if len(record.steps) < 2 or record.steps[0] != 0 or not z.size:
        return 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.sqrt(window.median(z[window.last_quarter(record.steps)]) / z[0])
    return float(np.max(growth[np.isfinite(growth)], initial=0.0))


def _approach(record: RunRecord, least: float) -> float:
    """How far the loss has come, of the way from its start to the constant answer's.

    Where that way is below `least` of the constant's loss, the targets lie around the answers: the
    answers' way to them in its place, if every step were as large as the first. NaN where neither
    is known, and after a single step.
    """
    start = record.objective_start
    values, scale = (start.values, start.scale) if start is not None else (None, None)
    paired = paired_loss(record)
    if values is None or values.constant is None or paired is None or record.outcome.steps_done < 2:
        return math.nan
    way = values.start - values.constant
    if way > least * abs(values.constant):
        return (way - paired.difference) / way
    if scale is None or scale.first_change is None or not scale.distance:
        return math.nan
    return record.outcome.steps_done * scale.first_change / scale.distance


def _on_its_way(
    record: RunRecord, scale: AnswerScale, min_approach: float, standard_errors: float
) -> bool:
    """Whether a network is slow because of the distance: it still falls, and is far from good."""
    steps, change = record.outcome.steps_done, scale.first_change
    if loss_curve.learns_well(record) or not change or not scale.distance:
        return False
    if len(loss_curve.training_curve(record).loss) < loss_curve.STEPS_TO_LEARN:
        return False
    falls = loss_curve.falls_in_last_quarter(record, standard_errors)
    return falls and steps * change < min_approach * scale.distance


def _overwritten(ratio: float, layer: str) -> str:
    return f"The first update changes {layer} by {times_text(ratio)} its size."


def _slow(scale: AnswerScale) -> str:
    change, distance = scale.first_change, float(scale.distance or 0.0)
    if change is None or not change > 0.0:
        return ""
    return (
        f"The first step moves the answers by {change:.2g}, and the targets are {distance:.3g} "
        "away."
    )
