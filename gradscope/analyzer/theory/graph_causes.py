"""Why a graph starts as it does: what its layers do by design, and what would keep the size."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from gradscope.analyzer.curves.depth_profile import DepthProfile, depth_profile
from gradscope.analyzer.theory import drawn_expectation
from gradscope.record import Action, Remedy, RunRecord
from gradscope.record.remedies import change_settings
from gradscope.record.run_record import Floats
from gradscope.theory.ledger import Ledger, ledger
from gradscope.theory.ledger_causes import LedgerCause, LedgerKind, ledger_causes

HOMOGENEOUS = frozenset(["linear", "relu", "leaky_relu", "prelu"])
"""Activations with phi(s z) = s phi(z): one factor on Var w sets their gain."""

_SCALES = {"he": 2.0, "lecun": 1.0}


def expected_depth(record: RunRecord) -> DepthProfile:
    """The depth profile that the centre of the draws gives: what every seed shows by design.

    Raises ValueError for a record without draws.
    """
    draws = record.draws
    if draws is None or draws.count < 2:
        raise ValueError("the weights were not drawn again")
    columns = range(len(record.layers))
    series = {name: np.full((1, len(record.layers)), np.nan) for name in record.series}
    for name in ("preactivation_second_moment", "delta_second_moment"):
        centre = drawn_expectation.log_band(draws, name, columns).centre
        series[name] = np.exp(centre)[np.newaxis]
    return depth_profile(replace(record, steps=np.zeros(1, np.int64), series=series))


def expected_profile(record: RunRecord, quantity: str) -> Floats:
    """Centre of the draws over depth, in rms, as the verdicts compare it: relative to the layer
    where the quantity starts, of the layers that everything passes.

    ``signal`` or ``delta``. Empty where no layer has both.
    """
    profile = expected_depth(record)
    values = profile.gradient_relative if quantity == "delta" else profile.signal_comparable
    if not values.size:
        return np.zeros(0)
    finite: Floats = values[0][np.isfinite(values[0])]
    return finite


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
        return _calmer_blocks(cause)
    if cause.kind is LedgerKind.RECURRENT:
        return (change_settings(("model.recurrent_initializer", "orthogonal")),)
    if cause.kind is LedgerKind.FANS:
        scale = _SCALES[cause.initializer.partition("_")[0]] * cause.fan / cause.inputs
        return (_scaled_weights("depthwise_initializer", scale, cause.layers),)
    if cause.kind is LedgerKind.LAYERS and cause.activation_name in HOMOGENEOUS:
        # E w^2 times fan_in is the scale of a law that divides by fan_in.
        scale = cause.scale / cause.each**2
        return (_scaled_weights("kernel_initializer", scale, cause.layers),)
    return ()


def _calmer_blocks(cause: LedgerCause) -> tuple[Remedy, ...]:
    """What keeps a stream's size, with the growth that the ledger gives afterwards.

    A branch that gives E F^2 = s E x^2 gives s / L of it times 1 / sqrt(L); behind a norm it is fed
    1, and adds s to a stream that starts at E x^2.
    """
    count = cause.count
    growths = {
        Action.SCALE_BRANCHES: (1.0 + cause.share / count) ** (0.5 * count),
        Action.START_AS_IDENTITY: 1.0,
        Action.NORMALIZE_BRANCHES: math.sqrt(1.0 + count * cause.share / cause.start),
    }
    return tuple(
        Remedy(action, layers=cause.layers, growth=growth) for action, growth in growths.items()
    )


def _scaled_weights(argument: str, scale: float, layers: tuple[str, ...]) -> Remedy:
    """VarianceScaling with a scale of two digits: the centre of the draws is no more certain."""
    law: dict[str, str | float] = {
        "name": "variance_scaling",
        "scale": float(f"{scale:.2g}"),
        "mode": "fan_in",
    }
    return Remedy(Action.SCALE_WEIGHTS, ((f"model.{argument}", law),), layers=layers)
