"""GS601: an output layer that does not fit the loss or the labels."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.catalog.activations import find_activation
from gradscope.catalog.losses import LOSSES
from gradscope.record import Finding, LayerInfo, RunRecord, TargetSummary

DISTRIBUTIONS = frozenset(name for name, loss in LOSSES.items() if loss.probabilities == "softmax")
"""Losses that compare with one probability per class, summing to 1."""

BINARY = frozenset(name for name, loss in LOSSES.items() if loss.probabilities == "sigmoid")
"""Losses that compare each unit with a probability of its own."""

_PROBABILITIES = frozenset(["softmax", "sigmoid", "hard_sigmoid"])

Misfit = tuple[str, float, float, str, str]
"""Severity, observed, threshold, why, remedy."""


@detector("GS601", rank=1)
def output_mismatch(
    record: RunRecord, *, spare: float = 0, reach: float = 0.6, learned: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether the output layer fits the loss and the labels; nothing is trained for it.

    Statistic: the output layer's units and activation beside the classes, the targets and the loss.
    Error for a softmax over one unit (always 1, whatever it is fed; Keras recovers its logit, so
    the loss may fall while the answer never changes), fewer units than classes, a loss on
    probabilities fed with an activation that gives none (Keras's losses have from_logits=False),
    targets beyond 0 to 1 for a binary cross-entropy, a softmax for real-valued targets, and real
    targets that the activation cannot reach: of the interval of a standard deviation to either side
    of their mean its range covers less than `reach` (default 0.6; a sigmoid or ReLU covers half of
    standardized targets, a tanh all). Warning for more than `spare` units without a class (default
    0), for softmax and sigmoid exchanged (sigmoid units are not one distribution, and softmax units
    cannot be right together), and for a model of the user's own that learns all the same, its loss
    below `learned` (default 0.9) of a constant answer's (of the first where none is known) or its
    accuracy above chance: something may stand behind its last layer that is not seen.
    """
    ends = loss_curve.outputs(record)
    if not ends:
        raise NotMeasured("no output layer with weights is known")
    # What a model's own `call` does to the last layer's values leaves no layer to see.
    unseen = static_findings.of_user(record) and (
        loss_curve.learned(record, learned) or loss_curve.above_chance(record)
    )
    findings = []
    for layer in ends:
        answers = [*_activation(record, layer)]
        if len(ends) == 1:
            answers += _reach(record, layer, reach)
        told: list[Misfit] = [
            ("warning" if unseen else severity, observed, threshold, why, remedy)
            for severity, observed, threshold, why, remedy in answers
        ]
        findings += [
            static_findings.finding(
                record,
                severity,
                [layer],
                observed=observed,
                threshold=threshold,
                message=f"The output does not fit: {why}.",
                remedy=remedy,
            )
            for severity, observed, threshold, why, remedy in (*_units(record, layer, spare), *told)
        ]
    return tuple(findings)


def _reach(record: RunRecord, layer: LayerInfo, reach: float) -> Iterator[Misfit]:
    """Targets outside what the activation or the loss can be right about."""
    targets, activation = record.data.targets, str(layer.activation)
    if targets is None or not targets.form:
        return
    name = loss_curve.loss_name(record)
    if name.startswith("sparse_"):
        return  # its targets are indices of classes, whatever their type and shape
    beyond = not 0.0 <= targets.minimum <= targets.maximum <= 1.0
    if (name in BINARY and beyond and targets.form == "real") or (
        name in BINARY and layer.units == 1 and len(targets.shares) > 2
    ):
        why = f"{name} needs targets from 0 to 1, and they go from {_span(targets)}"
        yield "error", targets.maximum, 1.0, why, "training.loss: mean_squared_error"
    entry = find_activation(activation)
    if targets.form != "real" or targets.variance == 0 or entry is None or name in BINARY:
        return
    if activation == "softmax" and record.data.task == "regression":
        return  # told already
    low, high = entry.range
    deviation = math.sqrt(targets.variance)
    least, most = targets.mean - deviation, targets.mean + deviation
    covered = max(0.0, min(high, most) - max(low, least)) / (most - least)
    if covered < reach:
        why = (
            f"the {activation} of {layer.name} gives values from {low:.3g} to {high:.3g}, and the "
            f"targets go from {_span(targets)} around {targets.mean:.3g}"
        )
        yield "error", covered, reach, why, "model.output.activation: linear"


def _span(targets: TargetSummary) -> str:
    return f"{targets.minimum:.3g} to {targets.maximum:.3g}"


def _units(record: RunRecord, layer: LayerInfo, spare: float) -> Iterator[Misfit]:
    units, classes = layer.units or 0, record.data.classes
    if layer.activation == "softmax" and units == 1:
        why = f"{layer.name} is a softmax over one unit, which is always 1"
        yield "error", 1.0, 0.0, why, "model.output.activation: sigmoid, or one unit per class"
    if not classes or record.data.task != "classification":
        return
    needed = 1 if classes == 2 and layer.activation != "softmax" else classes
    if layer.activation == "softmax" and units == 1:
        return
    if 0 < units < needed:
        why = f"{layer.name} has {units} units for {classes} classes"
        yield "error", float(needed - units), 0.0, why, f"model.output.units: {classes}"
    elif units > classes + spare:
        why = f"{layer.name} has {units} units for {classes} classes, so some are never right"
        yield "warning", float(units - classes), spare, why, f"model.output.units: {classes}"


def _activation(record: RunRecord, layer: LayerInfo) -> Iterator[Misfit]:
    name, activation = loss_curve.loss_name(record), str(layer.activation)
    units = layer.units or 0
    if record.data.task == "regression":
        if activation == "softmax" and units > 1:
            why = f"the softmax of {layer.name} sums to 1, and the targets are real values"
            yield "error", 1.0, 0.0, why, "model.output.activation: linear"
        return
    if name not in LOSSES or layer.activation is None or _takes_logits(record):
        return
    wants = "softmax" if name in DISTRIBUTIONS else "sigmoid" if name in BINARY else ""
    if wants and activation not in _PROBABILITIES:
        why = f"{name} needs probabilities, and {layer.name} gives {activation} values"
        yield "error", 1.0, 0.0, why, f"model.output.activation: {wants}, or from_logits=True"
    elif wants == "softmax" and activation != "softmax":
        why = f"{name} needs one distribution, and the {activation} units of {layer.name} are apart"
        yield "warning", 1.0, 0.0, why, "model.output.activation: softmax"
    elif wants == "sigmoid" and activation == "softmax" and units > 1:
        why = f"{name} judges each unit alone, and the softmax of {layer.name} ties them"
        yield "warning", 1.0, 0.0, why, "training.loss: sparse_categorical_crossentropy"


def _takes_logits(record: RunRecord) -> bool:
    return record.objective is not None and record.objective.from_logits
