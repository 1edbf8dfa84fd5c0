"""What decides the size of the signal over a graph: the entries of the ledger that matter most."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gradscope.record import InitialDraws, InitialWeight, LayerInfo, Role, Trait
from gradscope.theory.ledger import Block, Ledger, LedgerRow
from gradscope.theory.local_rule import expected_square

SMALLEST_EFFECT = math.log(3.0)
"""Factor on the rms, end to end, from which a cause is named."""

OTHER_FANS = 2.0
"""Inputs that the initializer divides by over those that an output really sums, or the inverse,
from which the initializer's name does not say what the layer does."""

ODD_BLOCK = 4.0
"""What a branch gives over the median of the others, in second moments, from which it is odd."""


_SUMS = frozenset([Trait.SUM, Trait.PRODUCT])

_ISOMETRIC = frozenset(["orthogonal", "identity"])
"""Initializers of recurrent kernels that keep the size of every state."""


class LedgerKind(StrEnum):
    """What multiplies the signal."""

    BLOCKS = "blocks"
    """Each block adds a share of what it is fed, so that the stream grows by a factor per block."""
    ODD_BLOCK = "odd_block"
    """One block adds much more, or less, than the others."""
    LAYERS = "layers"
    """Each layer of a chain multiplies by weights and activation."""
    FANS = "fans"
    """The initializer divides by other inputs than the layer sums."""
    NORM = "norm"
    """A norm divides by a small rms, and multiplies the gradient by its inverse."""
    RECURRENT = "recurrent"
    """A recurrent kernel is not orthogonal: a matter of time steps, and of no factor over depth."""


@dataclass(frozen=True)
class LedgerCause:
    """One cause: factors are on the rms. `total` is that from end to end, `each` of one layer.

    `layers` are the names of the layers, `count` how many times the factor acts. `share` is E F^2 /
    E x^2 of a typical block; behind a norm (`normed`) the rms of the odd branch, that of others is
    `weights`. Else `weights` and `activation` are the typical gains of second moments,
    `inputs` are those that an output sums, `fan` those that the initializer divides by. `backward`
    says that it is the gradient that grows by `total`. `start` is E x^2 of the stream before the
    first block. `others` says that layers beside the activations, as pools, have a part in
    `activation`. Names are "" where the layers' differ. `scale` is E w^2 times fan_in, which
    `weights` falls short of where an output at the edge reads padding.
    """

    kind: LedgerKind
    layers: tuple[str, ...]
    count: int
    each: float
    total: float
    share: float = math.nan
    weights: float = math.nan
    activation: float = math.nan
    initializer: str = ""
    activation_name: str = ""
    inputs: float = math.nan
    fan: float = math.nan
    backward: bool = False
    start: float = math.nan
    normed: bool = False
    others: bool = False
    scale: float = math.nan


def ledger_causes(
    layers: Sequence[LayerInfo],
    draws: InitialDraws,
    entries: Ledger,
    initial_weights: Sequence[InitialWeight] = (),
) -> tuple[LedgerCause, ...]:
    """The causes whose effect is above `SMALLEST_EFFECT`, the largest first."""
    causes = [
        *_odd_blocks(entries.blocks),
        *_blocks(entries.blocks),
        *_chain(entries, draws),
        *_fans(layers, draws, initial_weights),
        *_norms(entries),
    ]
    large = [cause for cause in causes if abs(math.log(cause.total)) >= SMALLEST_EFFECT]
    large += _recurrent(initial_weights)
    order = {kind: at for at, kind in enumerate(LedgerKind)}
    first = (LedgerKind.ODD_BLOCK, LedgerKind.FANS)  # they explain the factors of the others
    return tuple(
        sorted(large, key=lambda c: (c.kind not in first, -abs(math.log(c.total)), order[c.kind]))
    )


def _blocks(blocks: Sequence[Block]) -> Iterator[LedgerCause]:
    """Blocks without a norm: those multiply the stream."""
    free = [block for block in blocks if not block.normed and block.gain > 0]
    if len(free) < 2:
        return
    total = math.exp(sum(0.5 * math.log(block.gain) for block in free))
    each = total ** (1.0 / len(free))
    share = float(np.median([block.added for block in free]))
    names = tuple(block.name for block in free)
    start = free[0].fed ** 2
    yield LedgerCause(LedgerKind.BLOCKS, names, len(free), each, total, share=share, start=start)


def _odd_blocks(blocks: Sequence[Block]) -> Iterator[LedgerCause]:
    for block in blocks:
        others = [
            other
            for other in blocks
            if other is not block and (other.normed, other.kind) == (block.normed, block.kind)
        ]
        if len(others) < 3:
            continue
        given = [o.added * (o.fed**2 if o.normed else 1.0) for o in others]
        typical = float(np.median(given))
        own = block.added * (block.fed**2 if block.normed else 1.0)
        usual = max(given) / min(given) < ODD_BLOCK if min(given) > 0 else False
        if usual and typical > 0 and not 1.0 / ODD_BLOCK < own / typical < ODD_BLOCK:
            factor = math.sqrt(own / typical)
            yield LedgerCause(
                LedgerKind.ODD_BLOCK,
                (block.last or block.name, block.name),
                len(others),
                factor,
                max(factor, 1.0 / factor) ** 2,
                share=math.sqrt(own) if block.normed else block.added,
                weights=math.sqrt(typical)
                if block.normed
                else float(np.median([o.added for o in others])),
                normed=block.normed,
            )


def _chain(entries: Ledger, draws: InitialDraws) -> Iterator[LedgerCause]:
    """Weights with what follows them up to the next weights, on the path to the end.

    Only where neither a norm nor a sum or product stands between, nor any other operation on
    several tensors: those set the size anew. An Embedding is fed no size.
    """
    if not entries.rows:
        return
    layers, path = entries.layers, entries.path(len(entries.rows) - 1)
    mixed = [layers[row.layer].role == Role.NORMALIZATION for row in path]
    summed = [bool(_SUMS.intersection(layers[row.layer].traits)) for row in path]
    starts = [
        at
        for at, row in enumerate(path)
        if layers[row.layer].role == Role.HIDDEN
        and Trait.LOOKUP not in layers[row.layer].traits
        and row.gain > 0
    ]
    gains, weights, scales, infos = [], [], [], []
    others = False
    for start, end in itertools.pairwise([*starts, len(path) - 1]):
        between = path[start + 1 : end + 1]
        merged = any(item.merged for item in between)
        if start == end or any(mixed[start:end]) or any(summed[start:end]) or merged:
            continue
        row = path[start]
        gain = math.prod(item.gain for item in path[start:end])
        gain *= math.prod(item.join for item in between)
        if gain > 0 and math.isfinite(gain):
            gains.append(gain)
            weights.append(row.weights)
            scales.append(_law_scale(layers[row.layer], draws) or row.weights)
            infos.append(layers[row.layer])
            others |= _others_act(path[start:end], layers)
            others |= any(item.join != 1.0 for item in between)
    if len(gains) < 3:
        return
    total = math.exp(0.5 * sum(math.log(gain) for gain in gains))
    count = len(gains)
    typical, scale = (math.exp(float(np.mean(np.log(values)))) for values in (weights, scales))
    yield LedgerCause(
        LedgerKind.LAYERS,
        tuple(info.name for info in infos),
        count,
        total ** (1.0 / count),
        total,
        weights=typical,
        activation=total ** (2.0 / count) / typical,
        initializer=_common(info.initializer or "" for info in infos),
        activation_name=_common(info.activation or "linear" for info in infos),
        others=others,
        scale=scale,
    )


def _law_scale(layer: LayerInfo, draws: InitialDraws) -> float:
    """E w^2 times fan_in, padding or not; 0 where it is not known."""
    weights = next((item.weights for item in draws.maps if item.layer == layer.index), ())
    known = len(weights) == 1 and layer.fan_in
    return expected_square(draws, weights) * (layer.fan_in or 0) if known else 0.0


def _others_act(rows: Sequence[LedgerRow], layers: Sequence[LayerInfo]) -> bool:
    """Whether layers without weights that are no activations change the size, as pools do."""
    return any(
        Trait.ACTIVATION not in layers[row.layer].traits and abs(row.gain - 1.0) > 1e-3
        for row in rows[1:]
    )


def _common(names: Iterable[str]) -> str:
    """The name that all have; "" where they differ."""
    first, *others = set(names)
    return "" if others else first


def _fans(
    layers: Sequence[LayerInfo], draws: InitialDraws, initial_weights: Sequence[InitialWeight]
) -> Iterator[LedgerCause]:
    """Layers whose initializer divides by other inputs than an output sums: depthwise, transposed.

    One cause for all layers of one initializer.
    """
    made = {(weight.layer, weight.shape): weight for weight in initial_weights}
    groups: dict[str, list[tuple[str, float, float]]] = {}
    for item in draws.maps:
        info, drawn = layers[item.layer], draws.weights[item.weights[0]]
        weight = made.get((info.name, drawn.shape))
        # Only laws that divide by fan_in: of the others the fans say less.
        law = info.initializer or ""
        if weight is None or len(item.weights) > 1 or not law.startswith(("he_", "lecun_")):
            continue
        inputs = _true_inputs(layers, draws, item.layer)
        if inputs > 0 and not 1.0 / OTHER_FANS < weight.fan_in / inputs < OTHER_FANS:
            groups.setdefault(law, []).append((info.name, inputs, float(weight.fan_in)))
    for initializer, members in groups.items():
        ratio = float(np.median([math.sqrt(inputs / fan) for _, inputs, fan in members]))
        total = math.prod(math.sqrt(inputs / fan) for _, inputs, fan in members)
        _, inputs, fan = members[0]
        names = tuple(name for name, _, _ in members)
        yield LedgerCause(
            LedgerKind.FANS,
            names,
            len(members),
            ratio,
            total,
            initializer=initializer,
            inputs=inputs,
            fan=fan,
        )


def _recurrent(initial_weights: Sequence[InitialWeight]) -> Iterator[LedgerCause]:
    """Recurrent kernels of another law than orthogonal: one cause for all of one initializer.

    `inputs` are the gates that the kernel's columns are for, `weights` is E w^2 times the units.
    """
    groups: dict[str, list[tuple[str, float, float]]] = {}
    for weight in initial_weights:
        promise = weight.promise
        recurrent = weight.weight == "recurrent_kernel" and len(weight.shape) == 2
        if not recurrent or promise is None or weight.initializer in _ISOMETRIC:
            continue
        units, columns = weight.shape
        size = units * (promise.variance + promise.mean**2)
        if size > 0:
            entry = (weight.layer, size, columns / units)
            groups.setdefault(str(weight.initializer), []).append(entry)
    for initializer, members in groups.items():
        _, size, gates = members[0]
        each = math.sqrt(size * gates)
        names = tuple(name for name, _, _ in members)
        yield LedgerCause(
            LedgerKind.RECURRENT,
            names,
            len(names),
            each,
            each,
            weights=size,
            initializer=initializer,
            inputs=gates,
        )


def _true_inputs(layers: Sequence[LayerInfo], draws: InitialDraws, layer: int) -> float:
    """How many inputs an output sums: the response of a kernel of ones over E x^2 of the input."""
    at = next(i for i, item in enumerate(draws.maps) if item.layer == layer)
    call = next((c for c in draws.calls if c.layer == layer and c.inputs), None)
    if call is None:
        return 0.0
    fed = draws.figures["tensor_second_moment"][1:, call.inputs[0]]
    with np.errstate(all="ignore"):
        return float(np.median(draws.figures["response"][1:, at] / fed))


def _norms(entries: Ledger) -> Iterator[LedgerCause]:
    """The norm that divides by the smallest rms."""
    norms = [
        row
        for row in entries.rows
        if entries.layers[row.layer].role == Role.NORMALIZATION and row.gain > 0 and row.fed > 0
    ]
    if not norms:
        return
    row = max(norms, key=lambda item: item.gain)
    factor = math.sqrt(row.gain)
    source = entries.rows[row.source].name if row.source >= 0 else ""
    if factor > 1.0:
        yield LedgerCause(
            LedgerKind.NORM, (row.name, source), 1, factor, factor, share=row.fed, backward=True
        )
