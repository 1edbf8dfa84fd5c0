"""Why a graph starts as it does, in words: by design of its layers, or by one layer's weights."""

from __future__ import annotations

import math

import numpy as np

from gradscope.analyzer.theory import drawn_expectation, own_weights
from gradscope.analyzer.theory.own_weights import WeightRatio, Witness
from gradscope.record import Action, InitialDraws, Remedy, Role, RunRecord
from gradscope.record.run_record import Floats
from gradscope.theory.ledger import Ledger, ledger
from gradscope.theory.ledger_causes import LedgerCause, LedgerKind, ledger_causes

HOMOGENEOUS = frozenset(["linear", "relu", "leaky_relu", "prelu"])
"""Activations with phi(s z) = s phi(z): one factor on Var w sets their gain."""

_SCALES = {"he": 2.0, "lecun": 1.0}

_WITNESSES = {
    Witness.SIZE: "its weights are {factor} times as large (rms) as its initializer draws",
    Witness.FORWARD: (
        "it gives {factor} times the rms that such weights give for what it is fed: they are "
        "aligned with it"
    ),
    Witness.BACKWARD: "it passes back {factor} times the rms that such weights pass back",
}


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


def cause_sentence(cause: LedgerCause) -> str:
    """The sentence of one cause."""
    return _SENTENCES[cause.kind](cause)


def off_sentence(ratio: WeightRatio) -> str:
    """Which layer's own weights are off, by what, and by how much they leave their band."""
    words = _WITNESSES[ratio.witness].format(factor=f"{ratio.factor:.3g}")
    ends = f"{ratio.low / ratio.expected:.3g} to {ratio.high / ratio.expected:.3g}"
    return f"{ratio.name} is off: {words} (99% of draws: {ends})."


def off_layers_text(record: RunRecord) -> str:
    """The first layer whose own weights are off, and how many others; "" if none is.

    Many layers whose weights are not those of their initializers are those of a model that was
    loaded or trained: that is information.
    """
    off = own_weights.off_layers(record)
    names = list(dict.fromkeys(ratio.name for ratio in off))
    if not names or record.draws is None:
        return ""
    ratios = own_weights.weight_ratios(record)
    judged = {ratio.name for ratio in ratios}
    if len(names) > 1 and 2 * len(names) > len(judged):
        return f"No longer as initialised: {len(names)} of {len(judged)} layers, {names[0]} first."
    others = f" {len(names) - 1} more: {', '.join(names[1:4])}." if len(names) > 1 else ""
    return f"{off_sentence(off[0])}{others}"


def tied_text(draws: InitialDraws) -> str:
    """Which weights are equal because they share an initializer; "" if none do."""
    groups = own_weights.tied_weights(draws)
    if not groups:
        return ""
    named = " and ".join(groups[0][:3])
    return (
        f"{named} start equal: they share one initializer object, which gives the same values each "
        "time."
    )


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


def _percent(share: float) -> str:
    return f"{100.0 * share:.3g}%"


def _blocks(cause: LedgerCause) -> str:
    return (
        f"Each of {cause.count} blocks without a norm adds {_percent(cause.share)} of what it is "
        f"fed (E F^2 / E x^2): x{cause.each:.3g} rms per block, x{cause.total:.3g} in all."
    )


def _odd_block(cause: LedgerCause) -> str:
    last, block = cause.layers
    side = "more" if cause.each > 1.0 else "less"
    return (
        f"The branch that ends in {last} adds {_percent(cause.share)} in {block}, {side} than the "
        f"{_percent(cause.weights)} of the {cause.count} other blocks: x{cause.each:.3g} rms."
    )


def _layers(cause: LedgerCause) -> str:
    activation = cause.activation_name
    # One factor on Var w makes the gain 1 only where phi(s z) = s phi(z).
    keeps = f" Var w times {1.0 / cause.each**2:.2g} keeps the size."
    scale = keeps if activation in HOMOGENEOUS else ""
    return (
        f"x{cause.each:.3g} rms per layer over {cause.count} layers, x{cause.total:.3g} in all: "
        f"{cause.initializer or 'the initializer'} under {activation}, inputs times E w^2 = "
        f"{cause.weights:.3g}, and {activation} keeps {cause.activation:.3g} of E z^2.{scale}"
    )


def _fans(cause: LedgerCause) -> str:
    many = f"in each of {cause.count} layers" if cause.count > 1 else "there"
    return (
        f"{cause.initializer} divides Var w by {cause.fan:.3g} inputs, and an output of "
        f"{cause.layers[0]} sums {cause.inputs:.3g}: x{cause.each:.2g} rms {many}."
    )


def _norm(cause: LedgerCause) -> str:
    norm, source = cause.layers
    start = f": {source} gives rms {math.sqrt(cause.share):.2g}" if source else ""
    return (
        f"{norm} multiplies the signal, and the gradient going back, by {cause.total:.3g}{start}."
    )


_SENTENCES = {
    LedgerKind.BLOCKS: _blocks,
    LedgerKind.ODD_BLOCK: _odd_block,
    LedgerKind.LAYERS: _layers,
    LedgerKind.FANS: _fans,
    LedgerKind.NORM: _norm,
}
