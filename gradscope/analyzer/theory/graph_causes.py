"""Why a graph starts as it does, in words: by design of its layers, or by one layer's weights."""

from __future__ import annotations

import math

from gradscope.analyzer.theory import own_weights
from gradscope.analyzer.theory.own_weights import WeightRatio, Witness
from gradscope.record import InitialDraws, RunRecord
from gradscope.theory.ledger import Ledger, ledger
from gradscope.theory.ledger_causes import LedgerCause, LedgerKind, ledger_causes

_WITNESSES = {
    Witness.SIZE: "its weights are {factor} times as large (rms) as its initializer draws",
    Witness.FORWARD: (
        "it gives {factor} times the rms that such weights give for what it is fed: they are "
        "aligned with it"
    ),
    Witness.BACKWARD: "it passes back {factor} times the rms that such weights pass back",
}


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
    return (
        f"x{cause.each:.3g} rms per layer over {cause.count} layers, x{cause.total:.3g} in all: "
        f"{cause.initializer or 'the initializer'} under {activation}, inputs times E w^2 = "
        f"{cause.weights:.3g}, and {activation} keeps {cause.activation:.3g} of E z^2. Var w times "
        f"{1.0 / cause.each**2:.2g} keeps the size."
    )


def _fans(cause: LedgerCause) -> str:
    many = f"{cause.count} layers" if cause.count > 1 else cause.layers[0]
    return (
        f"{cause.initializer} divides Var w by {cause.fan:.3g} inputs, and an output of "
        f"{cause.layers[0]} sums {cause.inputs:.3g}: x{cause.each:.2g} rms in each of {many}."
        if cause.count > 1
        else f"{cause.initializer} divides Var w by {cause.fan:.3g} inputs, and an output of "
        f"{cause.layers[0]} sums {cause.inputs:.3g}: x{cause.each:.2g} rms there."
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
