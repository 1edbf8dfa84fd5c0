"""Weights whose initial entries their constraint does not let pass."""

from __future__ import annotations

from gradscope.record import InitialWeight, RunRecord, WeightConstraint

UNCHANGED = 0.01
"""Relative change of the entries below which a constraint lets the initial weights pass."""


def weights_under_constraint(record: RunRecord) -> list[tuple[InitialWeight, WeightConstraint]]:
    """The weights that their constraint changes at the first update, whatever that is."""
    return [
        (weight, weight.constraint)
        for weight in record.initial_weights
        if weight.constraint is not None and weight.constraint.change > UNCHANGED
    ]


def layers_under_constraint(record: RunRecord) -> frozenset[str]:
    """Names of the layers of these weights."""
    return frozenset(weight.layer for weight, _ in weights_under_constraint(record))
