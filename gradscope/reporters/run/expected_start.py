"""The draws of the initial weights, for every form: sentences, ledger, each layer's own weights.

Gains are shown as factors on the rms; the data has second moments. All names are safe to show.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves.depth_profile import rate_per_layer
from gradscope.analyzer.theory import cause_sentences, graph_causes, own_weights
from gradscope.analyzer.theory.drawn_profile import time_limits
from gradscope.analyzer.theory.own_weights import WeightRatio, Witness
from gradscope.message_text import counted
from gradscope.record import InitialDraws, RunRecord
from gradscope.record.initial_draws import KEPT
from gradscope.reporters.layout.numbers import MISSING, interval, number, percent, ratio
from gradscope.reporters.layout.sanitizing import printable
from gradscope.theory.ledger import LedgerRow
from gradscope.theory.prediction import LEVEL

TITLE = "Expected at initialisation: the ledger of the draws"
LEGEND = (
    "fed and gives: rms of what the layer is fed and gives, geometric means over the draws in "
    "which it is not 0. "
    "weights, activation and gain: factors on the rms; a norm, a sum and a pool have a gain alone. "
    "closed form: the gain that the weights' law, a Gaussian input of the activation, uncorrelated "
    "terms of a sum or a norm give for what it is fed. "
    "back: factor on the rms of delta from what it gives to what it is fed, with all that reads "
    "the same input. A factor behind the layer that feeds it is that of operations between the two "
    "that no layer makes, as an attention's mean. Along a path all factors multiply to the profile."
)
WEIGHTS_LEGEND = (
    "Each layer's own weights over what their initializer gives, in rms, with 99% of the draws, "
    "all figures together. size: of the weights. forward: of the output given this input. "
    "backward: of what goes back given what comes. !: outside."
)
MOST_ROWS = 40
"""Rows that are shown without unfolding the rest."""


@dataclass(frozen=True)
class LedgerLine:
    """One layer of the ledger as text."""

    name: str
    kind: str
    source: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class WeightLine:
    """A layer's own weights as text: one cell for each witness."""

    name: str
    outside: bool
    cells: tuple[str, ...]


@dataclass(frozen=True)
class StartTable:
    """What the page shows of the draws; empty without them."""

    title: str = TITLE
    legend: str = LEGEND
    weights_legend: str = WEIGHTS_LEGEND
    headings: tuple[str, ...] = (
        "fed",
        "weights",
        "activation",
        "gain",
        "closed form",
        "gives",
        "back",
    )
    rows: tuple[LedgerLine, ...] = ()
    blocks: tuple[tuple[str, ...], ...] = ()
    weights: tuple[WeightLine, ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def shown(self) -> tuple[LedgerLine, ...]:
        """The rows, or those at both ends where there are many."""
        if len(self.rows) <= MOST_ROWS:
            return self.rows
        half = MOST_ROWS // 2
        left_out = f"... {counted(len(self.rows) - 2 * half, 'layer')} between"
        gap = LedgerLine(left_out, "", "", ("",) * len(self.headings))
        return (*self.rows[:half], gap, *self.rows[-half:])


def start_table(record: RunRecord) -> StartTable:
    """The table of a record; empty where nothing was drawn."""
    entries = graph_causes.entries_of(record)
    if entries is None:
        return StartTable()
    rows = tuple(_line(row, entries.rows) for row in entries.rows)
    blocks = tuple(
        (
            printable(block.name),
            printable(block.last),
            "a norm" if block.normed else MISSING,
            number(block.fed),
            percent(block.added),
            ratio(math.sqrt(block.gain)),
        )
        for block in entries.blocks
    )
    weights = tuple(_weight_lines(own_weights.weight_ratios(record)))
    return StartTable(
        rows=rows, blocks=blocks, weights=weights, sentences=tuple(graph_sentences(record))
    )


def _line(row: LedgerRow, rows: Sequence[LedgerRow]) -> LedgerLine:
    source = rows[row.source].name if row.source >= 0 else "the input"
    if abs(math.log(row.join if row.join > 0 else 1.0)) > 1e-6:  # by operations that no layer makes
        source += f", {ratio(_rms(row.join))}"
    parts = (row.weights, row.activation) if row.weights != 1.0 else (math.nan, row.activation)
    acts = math.isfinite(row.gaussian)
    cells = (
        number(_rms(row.fed)),
        ratio(_rms(parts[0])),
        ratio(_rms(parts[1])) if acts else MISSING,
        ratio(_rms(row.gain)),
        ratio(_rms(row.rule.forward)),
        number(_rms(row.given)),
        ratio(_rms(row.back)),
    )
    return LedgerLine(printable(row.name), printable(row.kind), printable(source), cells)


def _rms(square: float) -> float:
    return math.sqrt(square) if square >= 0.0 else math.nan


def _weight_lines(ratios: Sequence[WeightRatio]) -> list[WeightLine]:
    """One line per layer, and one more for each further weight of it."""
    columns = {witness: at for at, witness in enumerate(Witness)}
    lines: dict[tuple[str, int], list[str]] = {}
    outside: set[tuple[str, int]] = set()
    for item in ratios:
        number_of = 0
        column = columns[item.witness]
        while lines.get((item.name, number_of), [""] * 3)[column]:
            number_of += 1
        key = (item.name, number_of)
        cells = lines.setdefault(key, [""] * len(columns))
        band = f"{number(item.low / item.expected)} to {number(item.high / item.expected)}"
        cells[column] = f"{ratio(item.factor)} ({band}){' !' if item.outside else ''}"
        if item.outside:
            outside.add(key)
    return [
        WeightLine(printable(name), (name, at) in outside, tuple(cell or MISSING for cell in cells))
        for (name, at), cells in lines.items()
    ]


def graph_sentences(record: RunRecord) -> list[str]:
    """Whose weights are off, and what decides the size of the signal by design; safe to show."""
    if record.draws is None:
        return []
    sentences = [
        cause_sentences.off_layers_sentence(own_weights.off_weights(record)),
        _tied(record.draws),
        *map(cause_sentences.cause_sentence, graph_causes.design_causes(record)[:2]),
        _through_time(record),
        _kept(record.draws),
    ]
    return [printable(sentence) for sentence in sentences if sentence]


def _through_time(record: RunRecord) -> str:
    """What the draws expect of the gradient at the time step read first; "" for no loop.

    Of the layers that give their last state alone, that one where least comes back.
    """
    alone = {layer.name for layer in record.layers if layer.time_steps and layer.positions == 1}
    limits = {
        name: drawn
        for name, drawn in time_limits(record).items()
        if name in alone and drawn.centre[0] > 0
    }
    if not limits:
        return ""
    name, drawn = min(limits.items(), key=lambda item: float(item[1].centre[0]))
    rate = 1.0 / rate_per_layer(drawn.centre)
    band = interval((float(drawn.low[0]), float(drawn.high[0])))
    return (
        f"Over the {len(drawn.centre)} time steps of {name} the gradient changes by {ratio(rate)} "
        f"per step back: what is read first gets {number(drawn.centre[0])} of the largest "
        f"({LEVEL:.0%} of initialisations: {band})."
    )


def _tied(draws: InitialDraws) -> str:
    """Which weights are equal because they share an initializer; "" if none do."""
    groups = own_weights.tied_weights(draws)
    if not groups:
        return ""
    named = " and ".join(groups[0][:3])
    return (
        f"{named} start equal: they share one initializer object, which gives the same values each "
        "time."
    )


def _kept(draws: InitialDraws) -> str:
    """Which weights have no band because nothing draws them again; "" if none."""
    kept = [weight.path for weight in draws.weights if weight.draw in KEPT]
    if not kept:
        return ""
    named = kept if len(kept) <= 3 else [kept[0], "...", kept[-1]]
    many = f" ({len(kept)} weights)" if len(kept) > 3 else ""
    return f"Kept in all draws, since no initializer of Keras made it: {', '.join(named)}{many}."


def draws_item(record: RunRecord) -> dict[str, object] | None:
    """The draws as data for `result.json`, in second moments; None without any."""
    draws, entries = record.draws, graph_causes.entries_of(record)
    if draws is None:
        return None
    rows = entries.rows if entries is not None else ()
    return {
        "count": draws.count,
        "batches": draws.batches,
        "cloned": draws.cloned,
        "sentences": graph_sentences(record),
        "weights": [
            {"path": w.path, "shape": list(w.shape), "draw": str(w.draw)} for w in draws.weights
        ],
        "through_time": [
            {
                "layer": name,
                "expected": np.square(drawn.centre),
                "low": np.square(drawn.low),
                "high": np.square(drawn.high),
            }
            for name, drawn in time_limits(record).items()
        ],
        "tied": [list(group) for group in own_weights.tied_weights(draws)],
        "ledger": [_ledger_item(row, rows) for row in rows],
        "blocks": [
            {
                "name": block.name,
                "last": block.last,
                "normalized": block.normed,
                "fed_second_moment": block.fed**2,
                "added": block.added,
                "gain": block.gain,
            }
            for block in (entries.blocks if entries is not None else ())
        ],
        "weight_ratios": [
            {
                "witness": str(item.witness),
                "layer": item.name,
                "measured": item.measured**2,
                "expected": item.expected**2,
                "low": item.low**2,
                "high": item.high**2,
                "outside": item.outside,
            }
            for item in own_weights.weight_ratios(record)
        ],
    }


def _ledger_item(row: LedgerRow, rows: Sequence[LedgerRow]) -> dict[str, object]:
    return {
        "layer": row.name,
        "source": rows[row.source].name if row.source >= 0 else None,
        "fed_second_moment": row.fed,
        "given_second_moment": row.given,
        "join": row.join,
        "weights": row.weights,
        "activation": row.activation,
        "gaussian": row.gaussian,
        "gain": row.gain,
        "closed_form": row.rule.forward,
        "fed_delta": row.delta_fed,
        "given_delta": row.delta_given,
        "gain_back": row.back,
        "closed_form_back": row.rule.back,
    }
