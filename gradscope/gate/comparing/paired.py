"""Compare seeds that drew the same numbers: every difference beyond rounding is an effect."""

from __future__ import annotations

import math

import numpy as np

from gradscope.gate import difference_text
from gradscope.gate.baselines import figures
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.check import Difference
from gradscope.gate.comparing.alignment import Alignment
from gradscope.gate.comparing.pairing import OTHER_MACHINE, SAME_MACHINE, SHARES, Pairing
from gradscope.record.run_record import Floats

FLOOR = {SAME_MACHINE: -800.0, OTHER_MACHINE: -165.0}
"""Logarithm of the second moment that counts as zero. Under another fingerprint that of float32's
smallest normal number squared: beyond it delta flushes to zero on some machines."""


def departures(
    before: SeedStatistics, after: SeedStatistics, alignment: Alignment, pairing: Pairing
) -> tuple[Difference, ...]:
    """Find every figure that differs in some layer by more than the tolerance, seed for seed.

    The rms over the seeds is held against the tolerance, not the mean: a change that goes up for
    one seed and down for another is a change. Layers are in the order in which the quantity flows.
    """
    old_rows, new_rows = (list(side) for side in zip(*pairing.rows, strict=True))
    differences = []
    for name in figures.INITIAL:
        quantity = figures.QUANTITIES[name]
        for i, j in _pairs_in_flow_order(name, alignment):
            old, new = before.initial[name][old_rows, i], after.initial[name][new_rows, j]
            step = 1.0 / max(1, after.layers[j].units or 1)
            if _differs(old, new, quantity, pairing.tolerance, step):
                differences.append(_difference(quantity, after.layers[j].name, old, new))
    return tuple(differences)


def _pairs_in_flow_order(name: str, alignment: Alignment) -> tuple[tuple[int, int], ...]:
    """Layer pairs in the order in which a quantity flows: gradients come from the output."""
    backward = name in ("delta", "kernel_gradient", "update")
    return alignment.pairs[::-1] if backward else alignment.pairs


def _differs(
    old: Floats, new: Floats, quantity: figures.Quantity, tolerance: float, step: float
) -> bool:
    if np.isnan(old).all() and np.isnan(new).all():
        return False
    if np.isnan(old).any() != np.isnan(new).any():
        return True
    if quantity.share:
        allowed = SHARES[tolerance]
        if quantity.name == "dead_fraction" and tolerance == OTHER_MACHINE:
            allowed = max(allowed, 1.5 * step)
        return _mean(np.abs(new - old)) > allowed
    return math.sqrt(_mean(_effect(old, new, FLOOR[tolerance]) ** 2)) > tolerance


def _effect(old: Floats, new: Floats, floor: float) -> Floats:
    """Differences of logarithms, seed for seed; zeros count as `floor`."""
    return np.maximum(new, floor) - np.maximum(old, floor)


def _mean(values: Floats) -> float:
    """The mean of what was measured; NaN of nothing."""
    measured = values[~np.isnan(values)]
    return float(np.mean(measured)) if measured.size else math.nan


def _difference(quantity: figures.Quantity, layer: str, old: Floats, new: Floats) -> Difference:
    apart = new - old if quantity.share else _effect(old, new, min(FLOOR.values()))
    mean_old, mean_new = _mean(old), _mean(new)
    measured = apart[~np.isnan(apart)]
    low, high = (
        (float(measured.min()), float(measured.max())) if measured.size else (math.nan, math.nan)
    )
    describe = difference_text.points if quantity.share else difference_text.factor
    return Difference(
        quantity=quantity.name,
        layer=layer,
        before=mean_old if quantity.share else difference_text.rms(mean_old),
        after=mean_new if quantity.share else difference_text.rms(mean_new),
        effect=describe(_mean(apart)),
        interval=difference_text.interval(low, high, describe),
    )
