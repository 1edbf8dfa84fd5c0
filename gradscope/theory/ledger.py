"""The ledger: by how much each layer of a graph multiplies the signal, and why.

Everything is in second moments, as means over draws of the weights, so that the product of all
gains along a path is the profile that was measured; what a gain consists of comes from the exact
rule of the linear layers and from Gaussian averages of the activations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradscope.catalog.activations import find_activation
from gradscope.record import LayerInfo, Role, Trait
from gradscope.record.initial_draws import TENSOR_DELTAS, TENSORS, CallTensors, InitialDraws
from gradscope.theory.gain_rules import NO_RULE, GainRule, gain_rule
from gradscope.theory.local_rule import Floats
from gradscope.theory.moments.gaussian_moments import GaussianMoments, gaussian_moments


@dataclass(frozen=True)
class LedgerRow:
    """One layer: E x^2 of what it is fed and of what it gives, and the gains between the two.

    `source` is the position of the row whose output it is fed, -1 for the model's input and for
    what no layer gives. `join` is the gain of operations that no layer makes, between that row's
    output and this one's input; 1 without any. `merged` says that other rows have a part in what
    it is fed, as an attention's queries and keys. `gain` is given over fed. `weights` is the gain
    of the weights (1 without any), `activation` that of the activation of this layer, `gaussian`
    what it would be for a Gaussian z of the same size; NaN where they are not known.
    `unit_scale` is what Var w has to be multiplied by for a gain of 1. `rule` is the gain and the
    gain going back by closed form, given what the layer is fed. `delta_fed` and
    `delta_given` are E delta^2 of what it is fed and of what it gives, NaN where no gradient comes
    back, `delta_join` that of its source's output over `delta_fed`.
    """

    layer: int
    name: str
    kind: str
    fed: float
    given: float
    source: int = -1
    join: float = 1.0
    weights: float = 1.0
    activation: float = 1.0
    gaussian: float = math.nan
    delta_fed: float = math.nan
    delta_given: float = math.nan
    delta_join: float = 1.0
    rule: GainRule = NO_RULE
    merged: bool = False

    @property
    def back(self) -> float:
        """The gain going back: E delta^2 of what it is fed over that of what it gives.

        What else reads the same input adds to it.
        """
        return self.delta_fed / self.delta_given if self.delta_given > 0 else math.nan

    @property
    def gain(self) -> float:
        """E of the output squared over E of the input squared."""
        return self.given / self.fed if self.fed > 0 else math.nan

    @property
    def unit_scale(self) -> float:
        """The factor on Var w that makes the gain 1, for an activation that keeps shape."""
        return 1.0 / self.gain if self.gain > 0 else math.nan


@dataclass(frozen=True)
class Block:
    """A sum of a stream and of a branch that reads it: what the branch adds, E F^2 / E x^2.

    `fed` is the rms of the stream before; `last` names the branch's last layer. `normed` says that
    a norm stands on the branch, or is all that reads the sum: then what the branch gives does not
    follow from the stream's size. `kind` is the class of the last layer with weights on the branch:
    an attention gives another amount than a Dense layer.
    """

    name: str
    layer: int
    added: float
    fed: float
    gain: float
    last: str = ""
    normed: bool = False
    kind: str = ""


@dataclass(frozen=True)
class Ledger:
    """The rows of all calls in the order of the data, and the blocks among them.

    `layers` are those of the record and, behind them, one for each sum in the model's code.
    """

    rows: tuple[LedgerRow, ...]
    blocks: tuple[Block, ...]
    layers: tuple[LayerInfo, ...] = ()

    def path(self, at: int) -> tuple[LedgerRow, ...]:
        """The rows through which row `at` is reached from the input, by their first inputs."""
        rows = []
        while at >= 0:
            rows.append(self.rows[at])
            at = self.rows[at].source
        return tuple(reversed(rows))

    def product(self, at: int) -> float:
        """Product of all gains on the path to row `at`: its output over the input, squared."""
        return math.prod(row.join * row.gain for row in self.path(at))

    def product_back(self, at: int) -> float:
        """Product of all gains going back from row `at` to the input, over squares of delta."""
        return math.prod(row.delta_join * row.back for row in self.path(at))


def ledger(layers: Sequence[LayerInfo], draws: InitialDraws) -> Ledger:
    """The ledger of a record's layers, from the geometric means over its draws."""
    moments = _typical(draws.figures[TENSORS][1:])
    drawn = draws.figures.get(TENSOR_DELTAS, np.full_like(draws.figures[TENSORS], np.nan))
    deltas = _typical(drawn[1:])
    mapped = frozenset(item.layer for item in draws.maps)
    ancestors = _ancestors(draws.calls)
    layers, calls = _with_sums(layers, draws.calls, ancestors)
    givers: dict[int, int] = {}
    rows: list[LedgerRow] = []
    for call in calls:
        gaussian = _gaussian_moments(layers, call, moments)
        row = _row(layers, call, moments, gaussian, weighted=call.layer in mapped)
        row = replace(
            row,
            rule=gain_rule(layers[call.layer], call, draws, moments, deltas, gaussian=gaussian),
            delta_fed=float(deltas[call.inputs[0]]) if call.inputs else math.nan,
            delta_given=float(deltas[call.output]),
        )
        rows.append(_joined(row, call, givers, rows, draws.calls[0].inputs, ancestors=ancestors))
        givers.setdefault(call.output, len(rows) - 1)
    blocks = (_block(layers, call, moments, ancestors, calls) for call in calls)
    return Ledger(tuple(rows), tuple(block for block in blocks if block is not None), layers)


def _typical(figures: Floats) -> Floats:
    """Geometric means over the draws in which a figure is not 0; 0 where it is in all.

    Four ReLU units behind a global pool are all dead in one draw of sixteen.
    """
    zero = figures == 0.0
    with np.errstate(all="ignore"):
        logs = np.where(zero, 0.0, np.log(figures)).sum(axis=0) / (~zero).sum(axis=0)
        means: Floats = np.where(zero.all(axis=0), 0.0, np.exp(logs))
    return means


def _with_sums(
    layers: Sequence[LayerInfo],
    calls: Sequence[CallTensors],
    ancestors: dict[int, frozenset[int]],
) -> tuple[tuple[LayerInfo, ...], tuple[CallTensors, ...]]:
    """A layer for each sum in the model's code, and of every sum the stream as its first input."""
    infos = list(layers)
    ordered: list[CallTensors] = []
    for call in calls:
        own = call
        if call.layer < 0 or Trait.SUM in infos[call.layer].traits:
            own = replace(call, inputs=_stream_first(call.inputs, ancestors))
        if call.layer < 0:
            giver = _branch_end(own.inputs, ordered, ancestors)
            name = f"x + {infos[giver.layer].name if giver is not None else 'f(x)'}"
            traits = (Trait.MERGE, Trait.SUM)
            own = replace(own, layer=len(infos))
            infos.append(LayerInfo(own.layer, name, "+", Role.STRUCTURE, traits=traits))
        ordered.append(own)
    return tuple(infos), tuple(ordered)


def _stream_first(inputs: tuple[int, ...], ancestors: dict[int, frozenset[int]]) -> tuple[int, ...]:
    """Of two inputs that one which the other is computed from; else the one by the shorter way."""
    if len(inputs) != 2:
        return inputs
    first, second = inputs
    if first in ancestors.get(second, ()):
        return inputs
    if second in ancestors.get(first, ()):
        return second, first
    # a projection on the shortcut
    return tuple(sorted(inputs, key=lambda tensor: len(ancestors.get(tensor, ()))))


def _branch_end(
    inputs: Sequence[int], calls: Sequence[CallTensors], ancestors: dict[int, frozenset[int]]
) -> CallTensors | None:
    """The last call on the branch of a sum, its last input; None where no layer is on it."""
    stream, branch = (ancestors.get(t, frozenset([t])) for t in (inputs[0], inputs[-1]))
    return next((call for call in reversed(calls) if call.output in branch - stream), None)


def _row(
    layers: Sequence[LayerInfo],
    call: CallTensors,
    moments: np.ndarray,
    gaussian: GaussianMoments | None,
    *,
    weighted: bool,
) -> LedgerRow:
    """The row of one call, not yet joined to the row that it is fed by."""
    info = layers[call.layer]
    fed = float(moments[call.inputs[0]]) if call.inputs else 1.0
    given = float(moments[call.output])
    z = float(moments[call.z]) if call.z >= 0 else given
    weights, activation = 1.0, 1.0
    if weighted or info.weighted:
        weights, activation = _over(z, fed), _over(given, z)
    if Trait.ACTIVATION in info.traits:
        activation, z = _over(given, fed), fed
    return LedgerRow(
        call.layer,
        info.name,
        info.kind,
        fed,
        given,
        weights=weights,
        activation=activation,
        gaussian=float(gaussian.second / z) if gaussian is not None else math.nan,
    )


def _over(given: float, fed: float) -> float:
    """The gain; NaN behind what starts at zero, as a branch's last kernel may."""
    return given / fed if fed > 0 else math.nan


def _joined(
    row: LedgerRow,
    call: CallTensors,
    givers: dict[int, int],
    rows: Sequence[LedgerRow],
    model_inputs: Sequence[int],
    *,
    ancestors: dict[int, frozenset[int]],
) -> LedgerRow:
    """The row with the row that it is fed by; where no layer gives its input, the nearest of those
    that it is computed from, or that one which the others are computed from."""
    first = call.inputs[0] if call.inputs else -1
    if first in givers:
        return replace(row, source=givers[first])
    behind = [tensor for tensor in call.behind if tensor in givers]
    if first < 0 or not behind or first in model_inputs:
        return row
    common = [t for t in behind if all(t in ancestors.get(other, ()) for other in behind)]
    source = givers[(common or behind)[0]]
    above = rows[source]
    return replace(
        row,
        source=source,
        merged=len(behind) > 1,
        join=_over(row.fed, above.given),
        delta_join=above.delta_given / row.delta_fed if row.delta_fed > 0 else math.nan,
    )


def _gaussian_moments(
    layers: Sequence[LayerInfo], call: CallTensors, moments: np.ndarray
) -> GaussianMoments | None:
    """Averages of a call's activation for z ~ N(0, q); None for what is none of the catalog."""
    info = layers[call.layer]
    name, parameters = info.activation, info.activation_parameters
    if Trait.ACTIVATION in info.traits:
        owner = next((layer for layer in layers if layer.name == info.activation_of), info)
        name, parameters = owner.activation, owner.activation_parameters
        q = float(moments[call.inputs[0]]) if call.inputs else 1.0
    elif call.z >= 0:
        q = float(moments[call.z])
    else:
        return None
    entry = find_activation(str(name))
    if entry is None or not entry.hidden or not q > 0 or not math.isfinite(q):
        return None
    return gaussian_moments(entry.name, q, parameters)


def _ancestors(calls: Sequence[CallTensors]) -> dict[int, frozenset[int]]:
    """Tensor -> all tensors that it is computed from, and itself."""
    reached: dict[int, frozenset[int]] = {}

    def of_all(tensors: Iterable[int]) -> frozenset[int]:
        return frozenset().union(*(reached.get(t, frozenset([t])) for t in tensors))

    for call in calls:
        behind = of_all(call.behind)
        for tensor in call.inputs:
            reached.setdefault(tensor, behind | {tensor})
        before = of_all(call.inputs) | behind
        for tensor in (call.output, call.z):
            if tensor >= 0:
                old = reached.get(tensor, frozenset())
                reached[tensor] = old | before | {tensor}
    return reached


def _block(
    layers: Sequence[LayerInfo],
    call: CallTensors,
    moments: np.ndarray,
    ancestors: dict[int, frozenset[int]],
    calls: Sequence[CallTensors],
) -> Block | None:
    """The block that ends in this call, if it is an Add of a stream and of a branch from it."""
    info = layers[call.layer]
    if Trait.SUM not in info.traits or len(call.inputs) != 2:
        return None
    stream, branch = call.inputs
    before_branch = ancestors.get(branch, frozenset())
    inside = [
        c
        for c in calls
        if c.output in before_branch and any(stream in ancestors.get(t, (t,)) for t in c.inputs)
    ]
    readers = [c for c in calls if call.output in c.inputs]
    rescaled = bool(readers) and all(_is_norm(layers, c) for c in readers)
    giver = _branch_end(call.inputs, calls, ancestors)
    kinds = (
        layers[c.layer].kind
        for c in reversed(calls)
        if c.output in ancestors.get(branch, ()) and layers[c.layer].weighted
    )
    return Block(
        name=info.name,
        layer=call.layer,
        added=_over(float(moments[branch]), float(moments[stream])),
        fed=float(np.sqrt(moments[stream])),
        gain=_over(float(moments[call.output]), float(moments[stream])),
        last=layers[giver.layer].name if giver is not None else "",
        normed=rescaled or any(_is_norm(layers, c) for c in inside),
        kind=next(kinds, ""),
    )


def _is_norm(layers: Sequence[LayerInfo], call: CallTensors) -> bool:
    return layers[call.layer].role == Role.NORMALIZATION
