"""GS407: constraints that take from the weights what the initializer gives them."""

from __future__ import annotations

import math

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.curves.loss_sign import has_no_floor
from gradscope.analyzer.curves.weight_constraints import weights_under_constraint
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import (
    Action,
    ConstrainedStart,
    Finding,
    InitialWeight,
    Remedy,
    RunRecord,
    Severity,
    WeightConstraint,
)


@detector(
    "GS407",
    rank=-3,
    causes=(
        "vanishing_gradient",
        "exploding_gradient",
        "vanishing_through_time",
        "vanishing_signal",
        "exploding_signal",
        "dead_units",
        "saturated_units",
        "collapsed_representation",
        "frozen_layers",
        "unstable_updates",
        "diverging_loss",
        "oscillating_loss",
        "non_finite",
        "underflow",
        "optimizer_epsilon",
    ),
)
def constrained_weights(
    record: RunRecord,
    *,
    max_factor: float = 10.0,
    max_constant_ratio: float = 0.9,
    max_loss_growth: float = 2.0,
    standard_errors: float = 3.0,
) -> tuple[Finding, ...]:
    """Tell whether a constraint keeps weights from passing the signal on.

    What it measures:
        The last pre-activations of the first batch, with the initial weights and once every
        constraint was applied to them, as Keras does after each update. The figure is the factor
        by which their deviation from sample to sample falls, by itself or beside their rms, or by
        which it grows where the loss of these answers grows with it, by `max_loss_growth`.
    Error when:
        The figure is above `max_factor`, and the loss is not below `max_constant_ratio`.
    Warning when:
        The deviation falls by more than `max_factor`, and the network learns, but does not get half
        of the way to the loss of right answers, and is still on it: the loss falls from the third
        quarter of the steps to the last by `standard_errors`. Where it has come to rest, noise in
        the targets may be what is left, as in a monotone network of positive weights.
    Not judged when:
        No weight has a constraint, or the model had been trained before. Steps that train other
        losses too are left out, and a loss without a lower bound: the weights of a critic are held
        small on purpose, and its loss has their scale.
    Thresholds:
        max_factor = 10: the figure. The weights of two layers of ReLU under MaxNorm(1) have 1.3.
            A judgement: training can make up for a smaller factor by the layers without constraint.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned.
        max_loss_growth = 2: the loss under the constraints over the larger of the first and a
            constant prediction's, as for `diverging_loss`. Embeddings of norm 1 grow by 30 and
            more, and their answers have the size that they should.
        standard_errors = 3: the fall in its standard errors, as for `not_learning`.
    Why it matters:
        No training and no learning rate takes weights beyond their constraint. Where all weights
        are positive, what is the same in all samples adds up in every layer, and what differs
        cancels.
    What to do:
        Leave the constraint out, or give it a bound above the norms of the initial weights. The
        axis of MaxNorm and UnitNorm has to be that of the inputs of a unit: 0 for Dense, [0, 1, 2]
        for Conv2D.
    Source:
        The definition of constraints in Keras: a projection after each update. Srivastava et al.
        2014, section 5.1, bound the norm of the weights of each unit by 3 to 4.
    """
    start = record.objective_start
    fact = start.constrained if start is not None else None
    if fact is None:
        why = start.unmeasured.get("constrained", "") if start is not None else ""
        raise NotMeasured(why or "no weight has a constraint, as far as the record says")
    if loss_curve.is_one_of_several(record):
        raise NotMeasured("its steps train several losses")
    if has_no_floor(record):
        raise NotMeasured("the loss has no lower bound: what the weights may be sets its scale")
    held = weights_under_constraint(record)
    learned = loss_curve.learned(record, max_constant_ratio)
    harmed = not learned and _loss_grows(record, fact, max_loss_growth)
    factor = max(_smaller(fact), _larger(fact)) if harmed else _smaller(fact)
    if not factor > max_factor or not held or loss_curve.learns_well(record):
        return ()
    if learned and not loss_curve.falls_in_last_quarter(record, standard_errors):
        return ()
    names = list(dict.fromkeys(weight.layer for weight, _ in held))
    layers = [layer for layer in record.layers if layer.name in names]
    kinds = " and ".join(dict.fromkeys(constraint.name for _, constraint in held))
    where = layer_names(names, [layer.index for layer in layers])
    return (
        findings.finding(
            record,
            Severity.WARNING if learned else Severity.ERROR,
            layers,
            observed=factor,
            threshold=max_factor,
            message=f"A constraint holds weights: {kinds} in {where}.",
            cause=_effect(fact),
            details=" ".join(_weight_text(*pair) for pair in held[:3]),
            remedies=(Remedy(Action.REMOVE_CONSTRAINT, layers=tuple(names)),),
            evidence=findings.evidence(record, n=record.batch_size, phase="start"),
        ),
    )


def _smaller(fact: ConstrainedStart) -> float:
    """By how much samples differ less, or less beside the size of what all of them have."""
    if not (fact.deviation > 0.0 and fact.rms > 0.0):
        return 0.0
    if not fact.constrained_deviation > 0.0:
        return math.inf
    return max(fact.deviation / fact.constrained_deviation, _relative_fall(fact))


def _larger(fact: ConstrainedStart) -> float:
    """By how much samples differ more."""
    return fact.constrained_deviation / fact.deviation if fact.deviation > 0.0 else 0.0


def _loss_grows(record: RunRecord, fact: ConstrainedStart, most: float) -> bool:
    """Whether the larger answers are worse; true where an earlier record does not say it."""
    values = record.objective_start.values if record.objective_start is not None else None
    if values is None or fact.constrained_loss is None:
        return True
    others = [loss for loss in (values.start, values.constant) if loss is not None]
    return not fact.constrained_loss <= most * max(others)


def _relative_fall(fact: ConstrainedStart) -> float:
    before, after = fact.deviation / fact.rms, fact.constrained_deviation / fact.constrained_rms
    return before / after


def _effect(fact: ConstrainedStart) -> str:
    """What the constraints do to the answers."""
    if fact.constrained_deviation > 0.0 and _relative_fall(fact) > max(
        _larger(fact), 1.0 / _larger(fact)
    ):
        return (
            "Under it samples differ by "
            f"{fact.constrained_deviation / fact.constrained_rms:.2g} of the size of the last z, "
            f"in place of {fact.deviation / fact.rms:.2g}."
        )
    return (
        f"It takes the differences of the last z between samples from {fact.deviation:.2g} to "
        f"{fact.constrained_deviation:.2g}."
    )


def _weight_text(weight: InitialWeight, constraint: WeightConstraint) -> str:
    parameters = constraint.parameters
    bound = parameters.get("max_value", 1.0 if constraint.name == "UnitNorm" else None)
    if constraint.norm is None or bound is None:
        return (
            f"It takes the {weight.weight} of {weight.layer} to {constraint.ratio:.2g} of its rms."
        )
    return (
        f"The norms of the initial {weight.weight} of {weight.layer} along axis "
        f"{parameters.get('axis')} are up to {constraint.norm:.2g}, and it makes them "
        f"{bound:.2g}{' at most' if 'max_value' in parameters else ''}."
    )
