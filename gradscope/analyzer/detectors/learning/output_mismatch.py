"""GS601: an output layer that does not fit the loss or the labels."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.catalog.activations import ACTIVATIONS, find_activation
from gradscope.catalog.losses import LOSSES
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
from gradscope.record.remedies import change_settings

DISTRIBUTIONS = frozenset(name for name, loss in LOSSES.items() if loss.probabilities == "softmax")
"""Losses that compare with one probability per class, summing to 1."""

BINARY = frozenset(name for name, loss in LOSSES.items() if loss.probabilities == "sigmoid")
"""Losses that compare each unit with a probability of its own."""

LEARNED = 0.95
"""Loss over a constant answer's below which the network has learned, as for `not_learning`."""

SUM_ERROR = 1e-3
"""Targets sum to 1 where their mean sum is this near: float32 rounds each of 10,000 classes."""

_PROBABILITIES = frozenset(
    name for name, activation in ACTIVATIONS.items() if activation.range == (0.0, 1.0)
)


@dataclass(frozen=True)
class _Misfit:
    """One way in which the output does not fit."""

    severity: Severity
    observed: float
    threshold: float
    reason: str
    remedies: tuple[Remedy, ...]
    details: str = ""
    cause: str = ""


@detector("GS601", rank=1)
def output_mismatch(
    record: RunRecord,
    *,
    max_spare_units: float = 0,
    min_target_coverage: float = 0.6,
    max_constant_ratio: float = 0.9,
    max_signature_error: float = 0.01,
    max_zero_targets: float = 0.0,
    max_flat_loss: float = 0.5,
) -> tuple[Finding, ...]:
    """Tell whether the output layer fits the loss and the labels; nothing is trained for it.

    What it measures:
        The units and the activation of the output layer beside the classes, the targets and the
        loss. The loss of right answers over that of a neutral one, in the model's own graph at the
        start. The share of targets that are 0.
    Error when:
        The output is a softmax over one unit (always 1, whatever it is fed; Keras recovers its
        logit, so the loss may fall while the answer never changes); there are fewer units than
        classes; a loss on probabilities is fed by an activation that gives none (Keras's losses
        have from_logits=False); targets are beyond 0 to 1 for a binary cross-entropy, which has no
        smallest value then; a categorical cross-entropy has one output and is always 0, or a cosine
        similarity has one and is a sign; a softmax meets real-valued targets; or real targets are
        ones that the activation cannot reach. The loss takes a softmax or sigmoid of answers that
        have passed one: its value for right answers is then the one that answers from 0 to 1 (tanh:
        -1 to 1) as logits give. That is measured in the model's own graph and holds where the
        network learns, too. A percentage error divides by targets of 0. Or a loss of the user's own
        takes probabilities of an output without activation: no answer beyond 0 to 1 has a slope,
        they make more than `max_flat_loss` of the loss at the start, and 0 and 1 are right.
    Warning when:
        There are more units than classes; softmax and sigmoid are exchanged (sigmoid units are not
        one distribution, and softmax units cannot be right together); or a model of the user's own
        learns all the same: something may stand behind its last layer that is not seen. A loss that
        takes probabilities is a warning where the network gets half of the way to the loss of right
        answers.
    Not judged when:
        No output layer with weights is known.
    Thresholds:
        max_spare_units = 0: the units without a class; a unit too many is never right.
        min_target_coverage = 0.6: the part of the interval of a standard deviation to either side
            of the targets' mean that the range of the activation covers. A sigmoid or ReLU covers
            half of standardized targets, a tanh all.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which a model of the user's own learns; where none is known,
            an accuracy above chance says the same.
        max_signature_error = 0.01: the relative difference between the loss of right answers and
            what an activation taken twice gives. It is exact but for float32; a loss with smoothed
            labels or another formula is elsewhere.
        max_zero_targets = 0: the share of targets of 0 under a percentage error; Keras divides by
            1e-7 there, so that one in a million outweighs all others.
        max_flat_loss = 0.5: the part of the loss at the start, above that of right answers, that
            answers without a slope make. Where a loss is flat since an answer is right, it is 0.
    Why it matters:
        No training can make such an output right.
    What to do:
        Give the output the units and the activation that the loss and the labels need.
    Source:
        The definitions of the losses in Keras; Goodfellow et al. 2016, section 6.2.2.
    """
    outputs = loss_curve.output_layers(record)
    if not outputs:
        raise NotMeasured("no output layer with weights is known")
    # What a model's own `call` does to the last layer's values leaves no layer to see. An accuracy
    # beside a loss that is no better than a constant answer's says nothing of it.
    by_accuracy = math.isnan(loss_curve.constant_predictor(record))
    unseen = is_user_model(record) and (
        loss_curve.learned(record, max_constant_ratio)
        or (by_accuracy and loss_curve.above_chance(record))
    )
    answer: list[Finding] = []
    for layer in outputs:
        of_values = [*_activation(record, layer)]
        if len(outputs) == 1:
            of_values += _reach(record, layer, min_target_coverage)
        if unseen:
            of_values = [replace(misfit, severity=Severity.WARNING) for misfit in of_values]
        if len(outputs) == 1:
            of_values += _without_answer(record, layer)
            of_values += _twice(record, layer, max_signature_error)
            of_values += _divided(record, max_zero_targets)
            of_values += _clipped(record, layer, max_flat_loss, max_signature_error)
        answer += [
            findings.finding(
                record,
                misfit.severity,
                [layer],
                observed=misfit.observed,
                threshold=misfit.threshold,
                message=f"The output does not fit: {misfit.reason}.",
                details=misfit.details,
                cause=misfit.cause,
                remedies=misfit.remedies,
                evidence=findings.evidence(record, n=1, phase="config"),
            )
            for misfit in (*_units(record, layer, max_spare_units), *of_values)
        ]
    return tuple(answer)


def _targets(record: RunRecord) -> TargetSummary | None:
    """Those of all data; of the first batch where no more is known, as in the user's own `fit`."""
    start = record.objective_start
    return record.data.targets or (start.targets if start is not None else None)


def _without_answer(record: RunRecord, layer: LayerInfo) -> Iterator[_Misfit]:
    """A loss that no answer makes small, or every answer: that it falls says nothing."""
    targets, name = _targets(record), loss_curve.loss_name(record)
    if name == "categorical_crossentropy" and layer.units == 1 and layer.activation != "softmax":
        reason = f"{name} divides the one answer of {layer.name} by itself, so that it is always 0"
        yield _Misfit(Severity.ERROR, 1.0, 0.0, reason, _loss("binary_crossentropy"))
    if name == "cosine_similarity" and layer.units == 1:
        reason = f"{name} of the one answer of {layer.name} is its sign, so that no gradient comes"
        yield _Misfit(Severity.ERROR, 1.0, 0.0, reason, _loss("mean_squared_error"))
    if targets is None or name not in BINARY or _indices_of_positions(record, layer):
        return
    beyond = targets.form == "real" and not 0.0 <= targets.minimum <= targets.maximum <= 1.0
    if beyond or (targets.form and layer.units == 1 and len(targets.shares) > 2):
        reason = f"{name} needs targets from 0 to 1, and they reach beyond"
        remedies, details = _loss("mean_squared_error"), f"They go from {_span(targets)}."
        if targets.form == "indices":
            remedies = (Remedy(Action.ONE_UNIT_PER_CLASS), *remedies)
        yield _Misfit(Severity.ERROR, targets.maximum, 1.0, reason, remedies, details)


def _reach(record: RunRecord, layer: LayerInfo, min_coverage: float) -> Iterator[_Misfit]:
    """Targets outside what the activation can reach."""
    targets, activation = record.data.targets, str(layer.activation)
    if targets is None or not targets.form or _is_rescaled(record, layer):
        return
    name = loss_curve.loss_name(record)
    if name.startswith("sparse_") or _indices_of_positions(record, layer):
        return  # its targets are indices of classes, whatever their type and shape
    entry = find_activation(activation)
    if targets.form != "real" or targets.variance == 0 or entry is None or name in BINARY:
        return
    if activation == "softmax" and record.data.task == "regression":
        return  # `_activation` has it
    low, high = entry.range
    if low <= targets.minimum and targets.maximum <= high:
        return  # a mask of 0 and 1 sticks out by its standard deviation alone
    deviation = math.sqrt(targets.variance)
    least, most = targets.mean - deviation, targets.mean + deviation
    covered = max(0.0, min(high, most) - max(low, least)) / (most - least)
    if covered < min_coverage:
        reason = (
            f"the {activation} of {layer.name} gives values from {low:.3g} to {high:.3g}, and the "
            "targets reach beyond"
        )
        details = f"They go from {_span(targets)} around {targets.mean:.3g}."
        yield _Misfit(Severity.ERROR, covered, min_coverage, reason, _activated("linear"), details)


def _is_rescaled(record: RunRecord, layer: LayerInfo) -> bool:
    """Whether the answers are the layer's in other units, so that its range is not theirs."""
    return any(Trait.RESCALING in later.traits for later in record.layers[layer.index + 1 :])


def _indices_of_positions(record: RunRecord, layer: LayerInfo) -> bool:
    """Whether the targets have a whole number where the answers have a softmax, as of a sequence.

    A loss of the user's own has no name to say so.
    """
    start, targets = record.objective_start, record.data.targets
    fact = start.dependence if start is not None else None
    if layer.activation != "softmax" or fact is None or targets is None:
        return False
    places = fact.answer_shape[:-1]
    named = fact.target_shape in (places, (*places, 1))
    return named and 0.0 <= targets.minimum <= targets.maximum <= (layer.units or 0) - 1


def _divided(record: RunRecord, max_zero: float) -> Iterator[_Misfit]:
    """A percentage error of targets of which some are 0."""
    name, targets = loss_curve.loss_name(record), _targets(record)
    share = targets.zeros if targets is not None else None
    if name != "mean_absolute_percentage_error" or share is None or not share > max_zero:
        return
    reason = f"{name} divides by the targets, and {share:.1%} of them are 0"
    remedies = (*_loss("mean_absolute_error"), *_loss("mean_squared_logarithmic_error"))
    details = "Keras divides by 1e-7 there: these targets alone decide what is learned."
    yield _Misfit(Severity.ERROR, share, max_zero, reason, remedies, details)


def _twice(record: RunRecord, layer: LayerInfo, max_error: float) -> Iterator[_Misfit]:
    """A loss that takes a softmax or sigmoid of answers which have passed an activation."""
    values = record.objective_start.values if record.objective_start is not None else None
    if values is None or values.right is None or not values.neutral or not values.constant:
        return
    for second, ratio in _signatures(record, str(layer.activation), layer.units or 0):
        if abs(values.right / values.neutral / ratio - 1.0) > max_error:
            continue
        yield _Misfit(
            Severity.ERROR,  # measured in the model's own graph: it holds whatever is learned
            values.right / values.neutral,
            ratio * (1.0 - max_error),
            f"the loss takes a {second} of the {layer.activation} of {layer.name}",
            _activated("linear"),
            "It expects logits, and these answers have passed an activation.",
            f"Even with every answer right it is {values.right:.3g}; a constant answer has "
            f"{values.constant:.3g}.",
        )
        return


def _clipped(
    record: RunRecord, layer: LayerInfo, max_flat: float, max_error: float
) -> Iterator[_Misfit]:
    """A loss of the user's own that clips the answers to probabilities, of a linear output."""
    flat = record.objective_start.flat if record.objective_start is not None else None
    if flat is None or loss_curve.loss_name(record) or not flat.start > flat.right:
        return
    lost = (flat.start - flat.rest) / (flat.start - flat.right)
    if not lost > max_flat or flat.right > max_error * flat.start:
        return
    yield _Misfit(
        Severity.WARNING if loss_curve.learns_well(record) else Severity.ERROR,
        lost,
        max_flat,
        f"the loss takes probabilities, and {layer.name} has no activation",
        _activated("sigmoid" if layer.units == 1 else "softmax"),
        cause=(
            f"At the start {flat.share:.0%} of its answers have no slope at all, and they make "
            f"{lost:.0%} of the loss."
        ),
    )


def _signatures(record: RunRecord, activation: str, units: int) -> Iterator[tuple[str, float]]:
    """The loss of right answers over that of z = 0, where an activation's values are logits.

    A softmax of one 1 among zeros gives -ln(e / (e + C - 1)). Of one unit with a sigmoid, the share
    of ones in the batch decides.
    """
    low = {"softmax": 0.0, "sigmoid": 0.0, "tanh": -1.0}.get(activation)
    targets = record.objective_start.targets if record.objective_start is not None else None
    if low is None or targets is None:
        return
    if units > 1:
        yield "softmax", math.log1p((units - 1) * math.exp(low - 1.0)) / math.log(units)
    elif activation != "softmax" and 0.0 <= targets.minimum <= targets.maximum <= 1.0:
        ones, middle = targets.mean, (low + 1.0) / 2
        right = ones * _softplus(-1.0) + (1.0 - ones) * _softplus(low)
        neutral = ones * _softplus(-middle) + (1.0 - ones) * _softplus(middle)
        yield "sigmoid", right / neutral


def _softplus(value: float) -> float:
    return math.log1p(math.exp(value))


def _span(targets: TargetSummary) -> str:
    return f"{targets.minimum:.3g} to {targets.maximum:.3g}"


def _units(record: RunRecord, layer: LayerInfo, max_spare: float) -> Iterator[_Misfit]:
    units, classes = layer.units or 0, record.data.classes
    if layer.activation == "softmax" and units == 1:
        reason = f"{layer.name} is a softmax over one unit, which is always 1"
        remedies = (*_activated("sigmoid"), Remedy(Action.ONE_UNIT_PER_CLASS))
        yield _Misfit(Severity.ERROR, 1.0, 0.0, reason, remedies)
    if not classes or record.data.task != "classification":
        return
    per_class = (change_settings(("model.output.units", classes)),)
    needed = 1 if classes == 2 and layer.activation != "softmax" else classes
    if layer.activation == "softmax" and units == 1:
        return
    if 0 < units < needed:
        reason = f"{layer.name} has {units} units for {classes} classes"
        yield _Misfit(Severity.ERROR, float(needed - units), 0.0, reason, per_class)
    elif units > classes + max_spare:
        reason = f"{layer.name} has {units} units for {classes} classes, so some are never right"
        yield _Misfit(Severity.WARNING, float(units - classes), max_spare, reason, per_class)


def _activation(record: RunRecord, layer: LayerInfo) -> Iterator[_Misfit]:
    name, activation = loss_curve.loss_name(record), str(layer.activation)
    units = layer.units or 0
    if record.data.task == "regression":
        if activation == "softmax" and units > 1:
            reason = f"the softmax of {layer.name} sums to 1, and the targets are real values"
            yield _Misfit(Severity.ERROR, 1.0, 0.0, reason, _activated("linear"))
        return
    known = find_activation(activation) is not None  # one of the user's own may give anything
    if name not in LOSSES or not known or _takes_logits(record):
        return
    wants = "softmax" if name in DISTRIBUTIONS else "sigmoid" if name in BINARY else ""
    if wants and activation not in _PROBABILITIES:
        reason = f"{name} needs probabilities, and {layer.name} gives {activation} values"
        remedies = (*_activated(wants), Remedy(Action.ACCEPT_LOGITS))
        yield _Misfit(Severity.ERROR, 1.0, 0.0, reason, remedies)
    elif wants == "softmax" and activation != "softmax":
        reason = (
            f"{name} needs one distribution, and the {activation} units of {layer.name} are apart"
        )
        # A cross-entropy divides by their sum; this one is smallest where all of them are 1.
        grave = name == "kl_divergence" and not loss_curve.learns(record, LEARNED)
        severity = Severity.ERROR if grave else Severity.WARNING
        yield _Misfit(severity, 1.0, 0.0, reason, _activated("softmax"))
    elif wants == "sigmoid" and activation == "softmax" and units > 1:
        reason = f"{name} judges each unit alone, and the softmax of {layer.name} makes their sum 1"
        yield _Misfit(Severity.WARNING, 1.0, 0.0, reason, _for_softmax(_targets(record)))


def _for_softmax(targets: TargetSummary | None) -> tuple[Remedy, ...]:
    """The loss of one distribution for targets that are one, else units that stay apart."""
    if targets is None or targets.form in ("", "indices"):
        return _loss("sparse_categorical_crossentropy")
    if abs(targets.mean * targets.width - 1.0) < SUM_ERROR:
        return _loss("categorical_crossentropy")
    return _activated("sigmoid")


def _activated(activation: str) -> tuple[Remedy, ...]:
    return (change_settings(("model.output.activation", activation)),)


def _loss(name: str) -> tuple[Remedy, ...]:
    return (change_settings(("training.loss", name)),)


def _takes_logits(record: RunRecord) -> bool:
    return record.objective is not None and record.objective.from_logits
