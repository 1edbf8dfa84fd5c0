"""Whose weights are off: each layer's weights held against their own law, whatever happens above.

Three witnesses, from sharp to blunt: the size of a weight beside what its initializer draws; the
second moment of a linear layer's output beside the exact one given its input (a kernel aligned with
what it is fed); the same going back.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from gradscope.record import InitialDraws, RunRecord
from gradscope.record.initial_draws import WeightDraw
from gradscope.record.run_record import Floats
from gradscope.theory.local_rule import local_logs
from gradscope.theory.prediction import LEVEL, Band, widened

NARROWEST = 1e-3
"""Least deviation of ln(second moment): what float32 rounds, and orthogonal kernels, lie below."""


class Witness(StrEnum):
    """Which figure of a layer's weights is compared."""

    SIZE = "size"
    FORWARD = "forward"
    BACKWARD = "backward"


@dataclass(frozen=True)
class WeightRatio:
    """One figure of one layer's weights over what their law expects, in rms.

    `layer` is the index of the layer's row, -1 where the weight belongs to none. `expected` is the
    median over the draws, `low` and `high` are the ends of the band for all figures together.
    """

    witness: Witness
    layer: int
    name: str
    measured: float
    expected: float
    low: float
    high: float

    @property
    def outside(self) -> bool:
        """Whether the measured ratio leaves its `widened` band."""
        with np.errstate(divide="ignore"):  # weights of 0 are below every band but one from 0 on
            measured, *band = np.log([self.measured, self.low, self.expected, self.high]).tolist()
        low, high = widened(*band)
        return not low <= measured <= high

    @property
    def factor(self) -> float:
        """How many times the expected rms was measured."""
        return self.measured / self.expected


@dataclass(frozen=True)
class OffWeights:
    """The figures outside their band, the sharpest witness first, of `judged` layers."""

    ratios: tuple[WeightRatio, ...]
    judged: int

    @property
    def names(self) -> tuple[str, ...]:
        """The layers that are off, each once; the first one is the culprit."""
        return tuple(dict.fromkeys(ratio.name for ratio in self.ratios))

    @property
    def loaded(self) -> bool:
        """Whether more than half of the layers are off, as in a model that was loaded or trained.

        One fault is in one layer, and chance in few.
        """
        return len(self.names) > 1 and 2 * len(self.names) > self.judged


def weight_ratios(record: RunRecord) -> tuple[WeightRatio, ...]:
    """Every ratio that has a band, sizes first, each group in the order of the layers."""
    draws = record.draws
    if draws is None or draws.count < 2:
        return ()
    groups = (
        _sizes(record, draws),
        _local(record, draws, Witness.FORWARD),
        _local(record, draws, Witness.BACKWARD),
    )
    rows = [
        (witness, layer, name, logs) for group in groups for witness, layer, name, logs in group
    ]
    # Weights of 0 have the logarithm -inf: far outside, and no reason to say nothing.
    usable = [row for row in rows if np.isfinite(row[3][1:]).all() and not np.isnan(row[3][0])]
    return tuple(itertools.starmap(_ratio(len(usable)), usable))


def off_weights(record: RunRecord) -> OffWeights:
    """The figures outside their band among all that have one."""
    ratios = weight_ratios(record)
    outside = tuple(ratio for ratio in ratios if ratio.outside)
    return OffWeights(outside, len({ratio.name for ratio in ratios}))


def off_layers(record: RunRecord) -> tuple[WeightRatio, ...]:
    """The figures outside their band, the sharpest witness first; the first one is the culprit."""
    return off_weights(record).ratios


def tied_weights(draws: InitialDraws) -> tuple[tuple[str, ...], ...]:
    """Groups of weights that are equal in every draw: they share one initializer object or seed."""
    squares, means = (draws.figures[name] for name in ("weight_second_moment", "weight_mean"))
    groups: dict[tuple[object, ...], list[str]] = {}
    for at, weight in enumerate(draws.weights):
        if weight.drawn and int(np.prod(weight.shape)) > 1:
            key = (weight.shape, squares[1:, at].tobytes(), means[1:, at].tobytes())
            groups.setdefault(key, []).append(weight.path)
    return tuple(tuple(paths) for paths in groups.values() if len(paths) > 1)


def no_longer_as_initialised(draws: InitialDraws) -> tuple[str, ...]:
    """Paths of the drawn weights that are not bit for bit what their initializer had drawn.

    Of a model that was given built the seeds are not known: then nothing is said.
    """
    if draws.cloned:
        return ()
    return tuple(w.path for w in draws.weights if w.draw is WeightDraw.OTHER_VALUES)


_Row = tuple[Witness, int, str, Floats]


def _sizes(record: RunRecord, draws: InitialDraws) -> Iterator[_Row]:
    # A layer that is called several times is named by its first call.
    rows = {at: item.layer for item in reversed(draws.maps) for at in item.weights}
    with np.errstate(all="ignore"):
        logs = np.log(draws.figures["weight_second_moment"])
    for at, weight in enumerate(draws.weights):
        if weight.drawn and len(weight.shape) > 1:
            layer = rows.get(at, -1)
            name = record.layers[layer].name if layer >= 0 else _layer_name(record, weight.path)
            yield Witness.SIZE, layer, name, logs[:, at]


def _layer_name(record: RunRecord, path: str) -> str:
    """The layer of the table that a weight's path runs through; what it stands in, without one."""
    names = {layer.name for layer in record.layers}
    holders = path.split("/")[:-1]
    return next((part for part in reversed(holders) if part in names), "/".join(holders))


def _local(record: RunRecord, draws: InitialDraws, witness: Witness) -> Iterator[_Row]:
    for at, item in enumerate(draws.maps):
        if all(draws.weights[w].drawn for w in item.weights):
            logs = local_logs(draws, at, backward=witness is Witness.BACKWARD)
            yield witness, item.layer, record.layers[item.layer].name, logs


def _ratio(comparisons: int) -> Callable[[Witness, int, str, Floats], WeightRatio]:
    """The ratio of one figure with its band, from ln of second moments [1 + draw].

    All three are means of squares, given the input: sums of few independent terms where a layer has
    few units. Their cube root is close to normal down to three of them (Wilson & Hilferty 1931).
    Their logarithm is not: of three units 0.4 % lie below a band that 0.03 % should leave.
    """

    def ratio(witness: Witness, layer: int, name: str, logs: Floats) -> WeightRatio:
        roots = np.exp(logs / 3.0)
        centre = float(roots[1:].mean())
        deviation = max(float(roots[1:].std(ddof=1)), centre * NARROWEST / 3.0)
        band = Band(np.array([centre]), np.array([deviation]), len(roots) - 1)
        reach = band.reach(0.5 * (1.0 - LEVEL) / comparisons) * deviation
        low, high = max(0.0, centre - reach), centre + reach
        measured, expected, *ends = (root**1.5 for root in (float(roots[0]), centre, low, high))
        return WeightRatio(witness, layer, name, measured, expected, ends[0], ends[1])

    return ratio
