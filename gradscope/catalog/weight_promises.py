"""What an initializer promises of a weight matrix, and how far its draws may scatter around it.

n independent draws of variance v and kurtosis k have a sample variance S^2 (divisor n - 1) with
Var S^2 = v^2 (2 / (n - 1) + (k - 3) / n). Its quantiles are those of the gamma law with this
variance and with the skewness of w^2 over sqrt(n - 1), moved to the mean v (Pearson's type III): a
chi-square, and exact, for normal draws. For the others fewer draws are outside than promised where
n is below 100, and as many from there on (tests/catalog/test_weight_promises.py).

An orthogonal matrix of r rows and c columns has sum w^2 = min(r, c) without any scatter. Only the
mean of its entries scatters: with the unit vectors u and v along (1, ..., 1), mean^2 / v is
(u^T Q v)^2 / min(r, c), where u^T Q v is a coordinate of a uniform point on the sphere in max(r, c)
dimensions, so that its square has the law Beta(1/2, (max(r, c) - 1) / 2).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

from gradscope.catalog.initializers import INITIALIZERS, TRUNCATION_FACTOR, Law, keras_fans

ROUNDING = 1e-5
"""Relative error of a float32 matrix that its initializer computed: 6e-8 for each weight, and 1e-6
for the decomposition of an orthogonal matrix of 1000 rows (tests/catalog/test_weight_promises.py).
The record's statistics promise as much."""

_SHORT_ROUNDING = 2.0**-7
"""The same for a weight kept in bfloat16, whose unit roundoff is 2^-9, or in float16."""

_DENSITY = 2.0 * math.exp(-2.0) / math.sqrt(2.0 * math.pi) / math.erf(math.sqrt(2.0))
"""2 phi(2) / (2 Phi(2) - 1): the moments of a normal cut at 2 are those of a whole one minus it
times 2 (second), 14 (fourth) and 102 (sixth)."""

_MOMENTS = {
    Law.NORMAL: (3.0, 15.0),
    Law.UNIFORM: (9.0 / 5.0, 27.0 / 7.0),
    Law.TRUNCATED_NORMAL: (
        (3.0 - 14.0 * _DENSITY) / TRUNCATION_FACTOR**4,
        (15.0 - 102.0 * _DENSITY) / TRUNCATION_FACTOR**6,
    ),
}
"""Fourth and sixth moment of the draws over their standard deviation, about their mean."""


@dataclass(frozen=True)
class WeightPromise:
    """What one initializer promises of one matrix.

    `limit` is the largest distance from `mean` that the law allows, None where it has none.
    """

    law: Law
    shape: tuple[int, ...]
    mean: float
    variance: float
    limit: float | None
    dtype: str = "float32"

    @property
    def count(self) -> int:
        """Number of entries."""
        return math.prod(self.shape)

    @property
    def rounding(self) -> float:
        """Relative error that the entries' own precision makes."""
        return _SHORT_ROUNDING if self.dtype in ("float16", "bfloat16") else ROUNDING

    def variance_limits(self, tail: float) -> tuple[float, float]:
        """Ends of the interval that the entries' variance leaves on each side once in 1 / `tail`.

        The variance is about the entries' own mean, with the divisor n. What is not drawn has no
        interval but its rounding.
        """
        low, high = self._ratios(tail)
        squares = self.variance + self.mean**2
        return (
            self.variance * low - self.rounding * squares,
            self.variance * high + self.rounding * squares,
        )

    def mean_limits(self, tail: float) -> tuple[float, float]:
        """The same for the mean of the entries."""
        drawn = 0.0 if self.law is Law.FIXED else math.sqrt(self.variance / self.count)
        reach = -NormalDist().inv_cdf(tail) * drawn
        reach += self.rounding * math.sqrt(self.variance + self.mean**2)
        return self.mean - reach, self.mean + reach

    def _ratios(self, tail: float) -> tuple[float, float]:
        """The ends over the promised variance, without rounding."""
        from scipy.special import betaincinv, gammainccinv, gammaincinv

        n = self.count
        if self.law is Law.FIXED:
            return 1.0, 1.0
        if n < 2:
            return 0.0, 0.0
        if self.law is Law.ORTHOGONAL:
            rows, columns = _matrix_shape(self.shape)
            least, most = sorted((rows, columns))
            return 1.0 - float(betaincinv(0.5, (most - 1) / 2.0, 1.0 - tail)) / least, 1.0
        fourth, sixth = _MOMENTS[self.law]
        deviation = math.sqrt(2.0 / (n - 1) + (fourth - 3.0) / n)
        skewness = (sixth - 3.0 * fourth + 2.0) / (fourth - 1.0) ** 1.5 / math.sqrt(n - 1)
        shape = 4.0 / skewness**2
        ends = float(gammaincinv(shape, tail)), float(gammainccinv(shape, tail))
        low, high = (1.0 + deviation * (end - shape) / math.sqrt(shape) for end in ends)
        return max(0.0, low) * (n - 1) / n, high * (n - 1) / n


def promise(
    initializer: str,
    parameters: Mapping[str, Any],
    shape: Sequence[int],
    *,
    fans: tuple[int, int] | None = None,
    dtype: str = "float32",
) -> WeightPromise | None:
    """What `initializer` promises of a weight of `shape`; None where the catalog lacks it.

    `fans` are those that Keras takes from the shape unless they are given. `parameters` may lack
    those that have a default, and may have others, such as a seed.
    """
    entry = INITIALIZERS.get(initializer)
    if entry is None or not shape or not math.prod(shape):
        return None
    complete = entry.complete(entry.without_unknown(parameters))
    law, sizes = entry.law_of(complete), tuple(int(size) for size in shape)
    whole = law in (Law.ORTHOGONAL, Law.FIXED)
    fans = _matrix_shape(sizes) if whole else fans or keras_fans(sizes)
    variance = entry.variance(*fans, **complete)
    limits = {Law.UNIFORM: 3.0, Law.TRUNCATED_NORMAL: (2.0 / TRUNCATION_FACTOR) ** 2}
    limit = math.sqrt(limits[law] * variance) if law in limits else None
    mean = entry.mean(*fans, **complete)
    return WeightPromise(law, sizes, mean, variance, limit, dtype)


def _matrix_shape(shape: Sequence[int]) -> tuple[int, int]:
    """Rows and columns of the matrix that Keras makes orthogonal: the last axis has the columns."""
    return math.prod(shape[:-1]), int(shape[-1])
