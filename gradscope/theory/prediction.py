"""Prediction: the second moments and bands of each layer at initialisation."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from gradscope.record.fault import Fault
from gradscope.theory import student_t

Floats = npt.NDArray[np.float64]

LEVEL = 0.99
"""Share of initialisations whose figure lies in a band: 1 % per layer lie outside.

The customary strict level of a single test; `Band.limits` corrects it for several layers."""

JUST_OUTSIDE = 0.15
"""Share of half a band of draws by which a figure may leave it and not be called outside.

The band takes the logarithms for normal. Of 1,257 figures of 24 graphs 3 % have a skewness beyond
0.8, and 2 % of 1,250 initialisations had a figure outside where 1 % was asked. With that share of
skewed figures 0.15 is the least margin of those tried that keeps about the 0.5 % that a check asks:
0.3 % at a skewness of 0.8 and 0.6 % at 1.5, where no margin gives 0.8 % and 1.5 %.
`python -m benchmarks.expectation --page` shows this, and what fresh initialisations leave beyond
it and beyond other margins (benchmarks/results/expectation.md)."""


@dataclass(frozen=True)
class Band:
    """Distribution of a layer's figure over initialisations: its logarithm is normal.

    `centre` and `deviation` are mean and standard deviation of ln(figure) over seeds, one value
    per layer; the seed decides the weights and which samples are in the batch. `draws` is how many
    initialisations both were estimated from, 0 where theory gives them.
    """

    centre: Floats
    deviation: Floats
    draws: int = 0

    def limits(
        self, *, seeds: int = 1, level: float = LEVEL, comparisons: int = 1
    ) -> tuple[Floats, Floats]:
        """The ends of the band, low and high, for the geometric mean over `seeds` seeds.

        `comparisons` is how many figures are held against their bands at once: each gets
        1 / comparisons of the error that `level` allows (Bonferroni).
        """
        reach = self.reach(0.5 * (1.0 - level) / comparisons, seeds) * self.deviation
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.centre - reach), np.exp(self.centre + reach)

    def reach(self, tail: float, seeds: int = 1) -> float:
        """Half of a band in deviations, with `tail` outside on either side.

        Normal where theory gives centre and deviation; estimated from draws they have the
        prediction interval of Student's t, t(draws - 1) sqrt(1 / seeds + 1 / draws).
        """
        if not self.draws:
            return -NormalDist().inv_cdf(tail) / math.sqrt(seeds)
        reach = student_t.quantile(2.0 * tail, self.draws - 1)
        return reach * math.sqrt(1.0 / seeds + 1.0 / self.draws)


def widened(low: float, centre: float, high: float) -> tuple[float, float]:
    """The ends within which a figure of a band of draws is not called outside, in logarithms.

    Each end of the band is moved out by `JUST_OUTSIDE` of its distance from the centre.
    """
    return low - JUST_OUTSIDE * (centre - low), high + JUST_OUTSIDE * (high - centre)


class Source(StrEnum):
    """Where the expected figures come from."""

    THEORY = "theory"
    DRAWS = "draws"


def _none() -> Floats:
    return np.array([])


@dataclass(frozen=True)
class Prediction:
    """Expected second moments at initialisation, one value per hidden layer and the output layer.

    `names` are the layers' names in depth order, the output layer last. All arrays have one value
    per name; `delta_relative` is E delta_l^2 over E delta^2 of the last hidden layer (so 1 there;
    NaN for the output layer, where the softmax head breaks the recursion), and
    `kernel_gradient_relative` likewise. `forward_gain[l]` is q_l / q_(l-1) (NaN for the first),
    `backward_gain[l]` is p_l / p_(l+1) (NaN for the last hidden and the output). `outside` says why
    theory does not hold here; where it is not empty the arrays are NaN. The bands are None where
    the figures hold but their scatter has no theory; `no_band` says why. `assumptions` are
    sentences for the reader. By draws `forward_gain` and `backward_gain` are NaN:
    neighbours in the list of layers need not feed one another. `fault` is what ended the
    computation, where it failed.
    """

    names: tuple[str, ...]
    preactivation_second_moment: Floats
    activation_second_moment: Floats
    forward_gain: Floats
    backward_gain: Floats
    delta_relative: Floats
    assumptions: tuple[str, ...] = ()
    outside: str = ""
    activation_variance: Floats = field(default_factory=_none)
    kernel_gradient_relative: Floats = field(default_factory=_none)
    preactivation_band: Band | None = None
    activation_band: Band | None = None
    delta_band: Band | None = None
    no_band: str = ""
    fault: Fault | None = None
    source: Source = Source.THEORY
