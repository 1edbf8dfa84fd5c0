"""Averages behind the gradient's growth through batch norm, for batches of B samples.

At infinite width, with all samples alike (equal norms, equal mutual correlations -1 / (B - 1):
the fixed point of Yang et al. 2019, arXiv:1902.08129), total follows from averages over one
unit's values z_1 ... z_B on a batch. They are closed for positively homogeneous activations and
numerical (fixed draws) for the others.

With ahat = z or a after the norm, rho = mean of its square, G = I - 1 1^T / B and s^2 the batch
variance, the norm's Jacobian satisfies J J^T = (G - (2 - rho) ahat ahat^T / B) / (s^2 + eps).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.theory.moments.gaussian_moments import (
    negative_slope,
    require_activation,
)

__all__ = [
    "AfterNorm",
    "BeforeNorm",
    "after_norm",
    "before_norm",
    "standard_draws",
]

Floats = npt.NDArray[np.float64]
Frozen = tuple[tuple[str, Any], ...]

_DRAWS = 2**20
"""Values drawn for one average: an error of 0.1 to 0.2 %, a tenth of what the bands resolve."""

_MIN_UNITS = 64
"""Fewest units drawn for large batches; the many samples of a unit then average the error out."""

_BLOCK = 2**15
"""Values evaluated at once: 256 KiB of float64, which fit the processor's second-level cache."""

_LARGEST_BATCH = 4096
"""Batch beyond which 1 / B is below the error of the draws."""


@dataclass(frozen=True)
class BeforeNorm:
    """Averages for an activation of batch-normalized values of mean square q.

    `second` = E phi_a^2, `pair` = E phi_a phi_b, `derivative_second` = E phi'_a^2; with d the
    vector of phi' on the batch and K = J J^T (s^2 + eps): `diagonal` = E sum_a d_a^2 K_aa,
    `total` = E d^T K d.
    """

    second: float
    pair: float
    derivative_second: float
    diagonal: float
    total: float


@dataclass(frozen=True)
class AfterNorm:
    """Averages for a batch norm of activations of z ~ N(0, q), correlation c.

    `second` is E ahat^2 = E s^2 / (s^2 + eps); `diagonal` = E phi'_a^2 (J J^T)_aa and
    `pair` = E phi'_a phi'_b (J J^T)_ab for two samples.
    """

    second: float
    diagonal: float
    pair: float


def before_norm(
    activation: str, parameters: Mapping[str, Any], q: float, batch_size: int
) -> BeforeNorm:
    """Averages for Dense -> batch norm -> activation.

    Positively homogeneous activations in closed form (Yang et al. 2019, theorems 7 to 9, extended
    to a slope on the left), the others numerically to about 0.2 %.
    """
    slope = negative_slope(activation, parameters)
    if slope is not None:
        return _homogeneous(slope, q, batch_size)
    key = require_activation(activation).cache_key(parameters)
    return _numerical_before(activation, key, _eight_digits(q), batch_size)


def after_norm(
    activation: str,
    parameters: Mapping[str, Any],
    q: float,
    *,
    correlation: float,
    batch_size: int,
    epsilon: float,
) -> AfterNorm:
    """Averages for Dense -> activation -> batch norm, numerically to about 0.2 %."""
    key = require_activation(activation).cache_key(parameters)
    return _numerical_after(
        activation,
        key,
        _eight_digits(q),
        correlation=_eight_digits(correlation),
        batch_size=batch_size,
        epsilon=epsilon,
    )


def _eight_digits(x: float) -> float:
    """`x` to eight digits, so that equal layers share one cached average."""
    return float(f"{x:.8g}")


def _homogeneous(slope: float, q: float, batch_size: int) -> BeforeNorm:
    b = batch_size
    c = -1.0 / (b - 1.0)
    angle = math.acos(c)
    j0 = 1.0 - angle / math.pi
    j1 = (math.sqrt(1.0 - c * c) + (math.pi - angle) * c) / math.pi
    size = 1.0 + slope * slope
    k0 = j0 + 2.0 * slope / size * (1.0 - j0)
    k1 = ((1.0 - slope) ** 2 * j1 + 2.0 * slope * c) / size
    half, shrunk = size / 2.0, (2.0 - q) * q
    diagonal = half * (b - 1.0 - shrunk)
    total = half * ((b - 1.0) * (1.0 - k0) - shrunk * (1.0 + (b - 1.0) * k1))
    return BeforeNorm(q * half, q * half * k1, half, diagonal, total)


@lru_cache(maxsize=1)
def standard_draws(batch_size: int) -> Floats:
    """Standard normal values [unit, sample], the same at every call.

    Each unit has its mirror image and the mean square is exactly 1, which halves the error.
    """
    units = max(_DRAWS // batch_size, _MIN_UNITS) // 2
    half = np.random.default_rng(20190226).standard_normal((units, batch_size))
    half /= np.sqrt(np.mean(half**2))
    return np.concatenate([half, -half])


@lru_cache(maxsize=512)
def _numerical_before(name: str, parameters: Frozen, q: float, batch_size: int) -> BeforeNorm:
    entry, b = require_activation(name), min(batch_size, _LARGEST_BATCH)

    def unit_averages(draws: Floats) -> tuple[Floats, ...]:
        centered = draws - draws.mean(axis=1, keepdims=True)
        z = centered * np.sqrt(q / np.mean(centered**2, axis=1, keepdims=True))
        value = entry.value(z, NUMPY_OPS, **dict(parameters))
        d = entry.derivative(z, NUMPY_OPS, **dict(parameters))
        sums = _norm_sums(d, z, np.full(len(z), q))
        squares = np.mean(value**2, axis=1), np.mean(d**2, axis=1)
        return *squares, value.sum(axis=1) ** 2, *sums

    second, derivative_second, squared_sum, diagonal, total = _mean_over_units(unit_averages, b)
    pair = (squared_sum / b - second) / (b - 1.0)
    return BeforeNorm(second, pair, derivative_second, diagonal, total)


@lru_cache(maxsize=512)
def _numerical_after(
    name: str,
    parameters: Frozen,
    q: float,
    *,
    correlation: float,
    batch_size: int,
    epsilon: float,
) -> AfterNorm:
    entry, b = require_activation(name), min(batch_size, _LARGEST_BATCH)
    kept = math.sqrt(max(1.0 + (b - 1.0) * correlation, 0.0))

    def unit_averages(draws: Floats) -> tuple[Floats, ...]:
        # Removing a share of the batch mean gives exactly the correlation, also a negative one.
        mean = draws.mean(axis=1, keepdims=True)
        z = math.sqrt(q) * (math.sqrt(1.0 - correlation) * (draws - mean) + kept * mean)
        value = entry.value(z, NUMPY_OPS, **dict(parameters))
        d = entry.derivative(z, NUMPY_OPS, **dict(parameters))
        centered = value - value.mean(axis=1, keepdims=True)
        variance = np.einsum("ub,ub->u", centered, centered) / b
        rho = variance / (variance + epsilon)
        ahat = centered / np.sqrt(variance + epsilon)[:, None]
        diagonal, total = _norm_sums(d, ahat, rho)
        return rho, diagonal / (variance + epsilon), (total - diagonal) / (variance + epsilon)

    second, diagonal, rest = _mean_over_units(unit_averages, b)
    return AfterNorm(second, diagonal / b, rest / (b * (b - 1.0)))


def _mean_over_units(
    unit_averages: Callable[[Floats], tuple[Floats, ...]], batch_size: int
) -> list[float]:
    """Means over all units of `unit_averages`, in blocks that fit the processor's cache."""
    draws = standard_draws(batch_size)
    blocks = np.array_split(draws, max(draws.size // _BLOCK, 1))
    averages = [unit_averages(block) for block in blocks]
    return [float(np.mean(np.concatenate(parts))) for parts in zip(*averages, strict=True)]


def _norm_sums(d: Floats, ahat: Floats, rho: Floats) -> tuple[Floats, Floats]:
    """sum_a d_a^2 K_aa and d^T K d per unit, K = G - (2 - rho) ahat ahat^T / B."""
    b = d.shape[1]
    products = d * ahat
    d_squares, projected = np.einsum("ub,ub->u", d, d), np.sum(products, axis=1)
    squares = np.einsum("ub,ub->u", products, products)
    diagonal = (1.0 - 1.0 / b) * d_squares - (2.0 - rho) / b * squares
    total = d_squares - np.sum(d, axis=1) ** 2 / b - (2.0 - rho) / b * projected**2
    return diagonal, total
