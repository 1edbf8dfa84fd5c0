"""Why a graph starts as it does, in words: by design of its layers, or by one layer's weights."""

from __future__ import annotations

import math

from gradscope.analyzer.theory.graph_causes import HOMOGENEOUS
from gradscope.analyzer.theory.own_weights import OffWeights, WeightRatio, Witness
from gradscope.theory.ledger_causes import LedgerCause, LedgerKind

_WITNESSES = {
    Witness.SIZE: "its weights are {factor} times as large (rms) as its initializer draws",
    Witness.FORWARD: (
        "it gives {factor} times the rms that such weights give for what it is fed: they are "
        "aligned with it"
    ),
    Witness.BACKWARD: "it passes back {factor} times the rms that such weights pass back",
}


def cause_sentence(cause: LedgerCause) -> str:
    """The sentence of one cause."""
    return _SENTENCES[cause.kind](cause)


def off_sentence(ratio: WeightRatio) -> str:
    """Which layer's own weights are off, by what, and by how much they leave their band."""
    words = _WITNESSES[ratio.witness].format(factor=f"{ratio.factor:.3g}")
    ends = f"{ratio.low / ratio.expected:.3g} to {ratio.high / ratio.expected:.3g}"
    return f"{ratio.name} is off: {words} (99% of draws: {ends})."


def off_layers_sentence(off: OffWeights) -> str:
    """The first layer whose own weights are off, and how many others; "" if none is.

    Many layers whose weights are not those of their initializers are those of a model that was
    loaded or trained: that is information.
    """
    if not off.ratios:
        return ""
    names = off.names
    if off.loaded:
        return f"No longer as initialised: {loaded_layers(off)}."
    others = f" {len(names) - 1} more: {', '.join(names[1:4])}." if len(names) > 1 else ""
    return f"{off_sentence(off.ratios[0])}{others}"


def loaded_layers(off: OffWeights) -> str:
    """How many layers are off, with the names of the first ones."""
    names = off.names
    shown = ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")
    return f"{len(names)} of {off.judged} layers ({shown})"


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
    if cause.normed:
        return (
            f"The branch that ends in {last} gives rms {cause.share:.3g} in {block}, {side} than "
            f"the {cause.weights:.3g} of the {cause.count} other blocks: x{cause.each:.3g}."
        )
    return (
        f"The branch that ends in {last} adds {_percent(cause.share)} in {block}, {side} than the "
        f"{_percent(cause.weights)} of the {cause.count} other blocks: x{cause.each:.3g} rms."
    )


def _layers(cause: LedgerCause) -> str:
    activation = cause.activation_name
    # One factor on Var w makes the gain 1 only where phi(s z) = s phi(z).
    keeps = f" Var w times {1.0 / cause.each**2:.2g} keeps the size."
    scale = keeps if activation in HOMOGENEOUS else ""
    law = cause.initializer or "their initializers"
    under = f" under {activation}" if activation else ""
    keeper = f"{activation or 'what follows'} keeps"
    if cause.others and activation:
        keeper = f"{activation} and the layers behind it keep"
    return (
        f"x{cause.each:.3g} rms per layer over {cause.count} layers, x{cause.total:.3g} in all: "
        f"{law}{under}, inputs times E w^2 = {cause.weights:.3g}, and {keeper} "
        f"{cause.activation:.3g} of E z^2 (geometric means).{scale}"
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


def _recurrent(cause: LedgerCause) -> str:
    names = " and ".join(cause.layers[:2]) + (" and others" if len(cause.layers) > 2 else "")
    return (
        f"The recurrent kernel of {names} is drawn by {cause.initializer}, not orthogonal: units "
        f"times E w^2 = {cause.weights:.3g}, where orthogonal rows give {1.0 / cause.inputs:.3g}, "
        "and its singular values are unequal, so that states grow or fade at different rates."
    )


_SENTENCES = {
    LedgerKind.BLOCKS: _blocks,
    LedgerKind.ODD_BLOCK: _odd_block,
    LedgerKind.LAYERS: _layers,
    LedgerKind.FANS: _fans,
    LedgerKind.NORM: _norm,
    LedgerKind.RECURRENT: _recurrent,
}
