"""Why a graph starts as it does: what its layers do by design, and what would keep the size."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer.theory import drawn_expectation
from gradscope.record import Action, Remedy, Role, RunRecord
from gradscope.record.run_record import Floats
from gradscope.theory.ledger import Ledger, ledger
from gradscope.theory.ledger_causes import LedgerCause, LedgerKind, ledger_causes

HOMOGENEOUS = frozenset(["linear", "relu", "leaky_relu", "prelu"])
"""Activations with phi(s z) = s phi(z): one factor on Var w sets their gain."""

_SCALES = {"he": 2.0, "lecun": 1.0}


def expected_profile(record: RunRecord, quantity: str) -> Floats:
    """Centre of the draws over depth, in rms, relative to the layer where the quantity starts.

    ``signal`` over the first layer's, ``delta`` over the last one's: of the hidden layers and of
    the sums that everything passes.
    """
    assert record.draws is not None
    name = "delta_second_moment" if quantity == "delta" else "preactivation_second_moment"
    roles = (Role.HIDDEN, Role.STRUCTURE)
    columns = [i for i in record.indices(*roles) if record.layers[i].main_path]
    centre = drawn_expectation.log_band(record.draws, name, columns).centre
    kept = centre[np.isfinite(centre)]
    if not kept.size:
        return kept
    start = kept[-1] if quantity == "delta" else kept[0]
    profile: Floats = np.exp(0.5 * (kept - start))
    return profile


def entries_of(record: RunRecord) -> Ledger | None:
    """The ledger of the record's layers; None without draws."""
    if record.draws is None or not record.draws.count or not record.draws.calls:
        return None
    return ledger(record.layers, record.draws)


def design_causes(record: RunRecord) -> tuple[LedgerCause, ...]:
    """What decides the size of the signal by design, the largest effect first."""
    entries = entries_of(record)
    if entries is None or record.draws is None:
        return ()
    return ledger_causes(record.layers, record.draws, entries, record.initial_weights)


def design_remedies(cause: LedgerCause) -> tuple[Remedy, ...]:
    """What keeps the size of the signal, as the ledger computes it; () where it does not know."""
    if cause.kind is LedgerKind.BLOCKS and cause.total > 1.0:
        return (Remedy(Action.SCALE_BRANCHES, layers=cause.layers),)
    if cause.kind is LedgerKind.FANS:
        scale = _SCALES[cause.initializer.partition("_")[0]] * cause.fan / cause.inputs
        return (_scaled_weights("depthwise_initializer", scale, cause.layers),)
    if cause.kind is LedgerKind.LAYERS and cause.activation_name in HOMOGENEOUS:
        # E w^2 times the inputs is the scale of a law that divides by fan_in.
        scale = cause.weights / cause.each**2
        return (_scaled_weights("kernel_initializer", scale, cause.layers),)
    return ()


def _scaled_weights(argument: str, scale: float, layers: tuple[str, ...]) -> Remedy:
    """VarianceScaling with a scale of two digits: the centre of the draws is no more certain."""
    law: dict[str, str | float] = {
        "name": "variance_scaling",
        "scale": float(f"{scale:.2g}"),
        "mode": "fan_in",
    }
    return Remedy(Action.SCALE_WEIGHTS, ((f"model.{argument}", law),), layers=layers)
