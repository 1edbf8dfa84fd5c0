"""Compare seeds that drew other numbers: do their distributions over seeds differ?

Welch's t test (Biometrika 34, 1947) on logarithms of second moments, which scatter normally over
seeds. The budget of false alarms is for the whole comparison: half of it for the figures of the
whole network (slopes over depth, learning), which carry most changes, half for the single layers,
each half shared out by Holm (Scand. J. Statist. 6, 1979).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.gate import difference_text
from gradscope.gate.baselines import figures
from gradscope.gate.baselines.seed_statistics import Series
from gradscope.gate.check import Difference
from gradscope.gate.comparing.alignment import Alignment
from gradscope.gate.comparing.seeds_needed import POWER
from gradscope.record import LayerInfo, Role, Trait
from gradscope.record.run_record import Floats
from gradscope.theory.student_t import quantile, two_sided

BUDGET = 0.005
"""False alarms of one comparison: one in 200, so that its share stays below 1 % with 99 %
confidence over the thousand re-runs of docs/gate.md."""

NEGLIGIBLE = math.log(1.05)
"""Differences of logarithms below this (2.5 % of an rms) are no regression, however certain.

Half of the smallest change that is promised to be seen (x1.1 per layer)."""

NEGLIGIBLE_SHARE = 0.02
"""The same for shares: 2 points of a percent."""

LAYERS = ("signal", "delta", "weight")
"""Tested layer by layer. A kernel's own size scatters over seeds by sqrt(2 / weights) only,
so a gain changed in one layer shows there while the signal's scatter still hides it."""

SLOPES = ("signal", "delta")
MEANS = ("update", "derivative_gain", "dead_fraction", "batch_norm_gap")


@dataclass(frozen=True)
class Sample:
    """One figure over the seeds of both sides; `layer` is empty for the whole network's.

    `steps` is over how many layers a slope goes, whose difference is per layer; 0 for others.
    """

    quantity: figures.Quantity
    layer: str
    old: Floats
    new: Floats
    steps: int = 0

    @property
    def measured(self) -> bool:
        """Whether either side has a figure."""
        return not (np.isnan(self.old).all() and np.isnan(self.new).all())

    @property
    def negligible(self) -> float:
        """The difference that is no regression, however certain."""
        margin = NEGLIGIBLE_SHARE if self.quantity.share else NEGLIGIBLE
        return margin / max(1, self.steps)


@dataclass(frozen=True)
class _Tested:
    """A sample's difference of means, its standard error, and how likely one as large is by chance.

    Without an error (infinite or equal figures) `degrees` means nothing.
    """

    sample: Sample
    difference: float
    error: float
    degrees: float
    probability: float


@dataclass(frozen=True)
class Outcome:
    """The result of a sample's test at the two-sided probability `tail`."""

    sample: Sample
    difference: float
    departs: bool
    error: float
    degrees: float
    tail: float

    @property
    def reach(self) -> float:
        """Half width of the interval at the level of the test; infinite where there is none."""
        if self.error == 0.0 or not math.isfinite(self.error):
            return self.error
        return quantile(self.tail, self.degrees) * self.error

    @property
    def visible(self) -> float:
        """The difference that would have been seen with the power `POWER`."""
        if self.error == 0.0 or not math.isfinite(self.error):
            return self.error
        return self.reach + quantile(2.0 * (1.0 - POWER), self.degrees) * self.error


def compare(
    before: Series,
    after: Series,
    alignment: Alignment,
    layers: tuple[LayerInfo, ...],
    *,
    budget: float,
    whole: Sequence[Sample] = (),
) -> tuple[Outcome, ...]:
    """Test what both series have; `layers` are the later ones, `whole` further network figures."""
    network = [*_slopes(before, after, alignment, layers), *_means(before, after, alignment)]
    single = _single_layers(before, after, alignment, layers)
    return (*_tested([*network, *whole], budget / 2), *_tested(single, budget / 2))


def tail_of_slopes(budget: float) -> float:
    """Tail probability for the network figure of smallest p-value, at initialisation."""
    return budget / 2 / (len(SLOPES) + len(MEANS) - 1)


def _slopes(
    before: Series, after: Series, alignment: Alignment, layers: tuple[LayerInfo, ...]
) -> list[Sample]:
    """ln(last / first) over the hidden layers of the main path, per layer."""
    path = [
        (i, j)
        for i, j in alignment.pairs
        if layers[j].role == Role.HIDDEN
        and layers[j].main_path
        and Trait.LOOKUP not in layers[j].traits
    ]
    if len(path) < 2:
        return []
    (first, now_first), (last, now_last), steps = path[0], path[-1], len(path) - 1
    samples = []
    for name in SLOPES:
        old = (before[name][:, last] - before[name][:, first]) / steps
        new = (after[name][:, now_last] - after[name][:, now_first]) / steps
        samples.append(Sample(figures.QUANTITIES[name], "", old, new, steps))
    return samples


def _means(before: Series, after: Series, alignment: Alignment) -> list[Sample]:
    """Means over the layers, for changes that all layers share."""
    samples = []
    for name in MEANS:
        if name not in before or not alignment.pairs:
            continue
        columns = [list(side) for side in zip(*alignment.pairs, strict=True)]
        old, new = before[name][:, columns[0]], after[name][:, columns[1]]
        shared = ~np.isnan(old).any(axis=0) & ~np.isnan(new).any(axis=0)
        if shared.any():
            means = old[:, shared].mean(axis=1), new[:, shared].mean(axis=1)
            samples.append(Sample(figures.QUANTITIES[name], "", *means))
    return samples


def _single_layers(
    before: Series, after: Series, alignment: Alignment, layers: tuple[LayerInfo, ...]
) -> list[Sample]:
    samples = []
    for name in (name for name in LAYERS if name in before):
        for i, j in alignment.pairs[::-1] if name == "delta" else alignment.pairs:
            old, new = before[name][:, i], after[name][:, j]
            samples.append(Sample(figures.QUANTITIES[name], layers[j].name, old, new))
    return [sample for sample in samples if sample.measured]


def _tested(samples: Sequence[Sample], budget: float) -> list[Outcome]:
    """Test all samples within one budget, by Holm.

    An interval is at the level of its own test, so that it holds no 0 where the test has rejected.
    """
    tests = [_welch(sample) for sample in samples]
    order = sorted(range(len(tests)), key=lambda i: tests[i].probability)
    rejected: dict[int, float] = {}
    for rank, i in enumerate(order):
        tail = budget / (len(order) - rank)
        if tests[i].probability > tail:
            break
        rejected[i] = tail
    strictest = budget / max(1, len(tests))
    return [
        _outcome(test, i in rejected, rejected.get(i, strictest)) for i, test in enumerate(tests)
    ]


def _outcome(test: _Tested, rejected: bool, tail: float) -> Outcome:
    departs = rejected and not abs(test.difference) <= test.sample.negligible
    return Outcome(test.sample, test.difference, departs, test.error, test.degrees, tail)


def _welch(sample: Sample) -> _Tested:
    """Test one sample. Where figures are zeros (-inf) or missing, half of the seeds decide."""
    missing = float(np.mean(np.isnan(sample.new)) - np.mean(np.isnan(sample.old)))
    if abs(missing) >= 0.5:
        return _Tested(sample, math.nan, math.inf, 1.0, 0.0)
    old, new = (values[~np.isnan(values)] for values in (sample.old, sample.new))
    if not old.size or not new.size:
        return _Tested(sample, math.nan, math.inf, 1.0, 1.0)
    zeros_old, zeros_new = (float(np.mean(np.isinf(values))) for values in (old, new))
    if zeros_old or zeros_new:
        apart = abs(zeros_new - zeros_old) >= 0.5
        difference = math.copysign(math.inf, zeros_old - zeros_new) if apart else 0.0
        return _Tested(sample, difference, math.inf, 1.0, 0.0 if apart else 1.0)
    difference = float(new.mean() - old.mean())
    error, degrees = _standard_error(old, new)
    if error == 0.0:
        return _Tested(sample, difference, error, degrees, 0.0 if difference else 1.0)
    return _Tested(sample, difference, error, degrees, two_sided(difference / error, degrees))


def _standard_error(old: Floats, new: Floats) -> tuple[float, float]:
    """Standard error of the difference of means, and its degrees of freedom by Satterthwaite."""
    parts = [float(x.var(ddof=1)) / len(x) if len(x) > 1 else math.nan for x in (old, new)]
    total = sum(parts)
    if math.isnan(total) or total == 0.0:
        return (math.inf, 1.0) if math.isnan(total) else (0.0, 1.0)
    squares = sum(part**2 / (len(x) - 1) for part, x in zip(parts, (old, new), strict=True))
    return math.sqrt(total), total**2 / squares


def described(outcome: Outcome) -> Difference:
    """An outcome for a reader: means over the seeds, the effect and its interval."""
    sample = outcome.sample
    describe = difference_text.points if sample.quantity.share else difference_text.factor
    unit = " per layer" if sample.steps else ""
    low, high = outcome.difference - outcome.reach, outcome.difference + outcome.reach
    unknown = not math.isfinite(outcome.reach)

    def mean_figure(values: Floats) -> float:
        measured = values[~np.isnan(values)]
        mean = float(measured.mean()) if measured.size else math.nan
        return mean if sample.quantity.share else difference_text.rms(mean)

    return Difference(
        quantity=sample.quantity.name,
        per_layer=bool(sample.steps),
        layer=sample.layer,
        before=mean_figure(sample.old),
        after=mean_figure(sample.new),
        effect=describe(outcome.difference) + unit,
        interval="" if unknown else difference_text.interval(low, high, describe) + unit,
    )
