"""Averages of an activation over a normal pre-activation, z ~ N(0, q), to about 1e-10."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.activations import Activation, find_activation
from gradscope.catalog.array_ops import NUMPY_OPS

__all__ = [
    "GaussianMoments",
    "gaussian_moments",
    "negative_slope",
    "normal_grid",
    "require_activation",
]

Floats = npt.NDArray[np.float64]

_REACH = 40.0
"""Largest node in standard deviations: the normal density underflows at 38.6."""

_UNIFORM = np.arange(-_REACH, _REACH + 1.0)

_LANDMARKS = np.array([0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0])
"""Panel edges in units of z: smooth activations bend near 0 and are straight or flat beyond 32."""

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(24)

_EDGE_MASS, _EDGE_UNDERFLOW = 1e-18, 1e-200
"""Term at the outermost node, relative to the whole and absolute, up to which the integral counts
as complete: below a double's rounding, or nothing where the whole is tiny too."""


@dataclass(frozen=True)
class GaussianMoments:
    """E phi, E phi^2, E phi^4, E phi' and E phi'^2 for z ~ N(0, q).

    A moment that a double cannot hold is infinite.
    """

    mean: float
    second: float
    fourth: float
    derivative_mean: float
    derivative_second: float

    @property
    def variance(self) -> float:
        """Var phi = E phi^2 - (E phi)^2."""
        return self.second - self.mean**2


def require_activation(name: str) -> Activation:
    """The catalog's entry of a hidden activation; `KeyError` for any other name."""
    entry = find_activation(name)
    if entry is None or not entry.hidden:
        raise KeyError(f"no hidden activation {name!r} in the catalog")
    return entry


def negative_slope(activation: str, parameters: Mapping[str, Any]) -> float | None:
    """Slope on the left of a positively homogeneous activation; None for the others."""
    entry = require_activation(activation)
    if entry.negative_slope is None:
        return None
    return entry.negative_slope(**entry.complete(parameters))


def gaussian_moments(
    activation: str, q: float, parameters: Mapping[str, Any] | None = None
) -> GaussianMoments:
    """Moments of phi(z) and phi'(z) over z ~ N(0, q), q > 0.

    Gauss-Legendre panels between the kinks, narrow where phi bends and at most one standard
    deviation wide (plain Gauss-Hermite is off by 1 % for ReLU and SELU). Results are cached.
    """
    entry = require_activation(activation)
    if not (q > 0.0 and math.isfinite(q)):
        raise ValueError(f"q must be positive and finite, not {q}")
    return _moments(entry.name, float(q), entry.cache_key(parameters or {}))


@lru_cache(maxsize=4096)
def _moments(name: str, q: float, parameters: tuple[tuple[str, Any], ...]) -> GaussianMoments:
    entry = require_activation(name)
    standard, weights = _nodes(entry.kinks, q)
    average = _averager(standard, weights)
    z = math.sqrt(q) * standard
    value = entry.value(z, NUMPY_OPS, **dict(parameters))
    derivative = entry.derivative(z, NUMPY_OPS, **dict(parameters))
    return GaussianMoments(
        mean=average(value, 1),
        second=average(value, 2),
        fourth=average(value, 4),
        derivative_mean=average(derivative, 1),
        derivative_second=average(derivative, 2),
    )


def _nodes(kinks: tuple[float, ...], q: float) -> tuple[Floats, Floats]:
    """Nodes in standard deviations and their Gauss-Legendre weights."""
    scale = math.sqrt(q)
    tail = _LANDMARKS[-1] * 2.0 ** np.arange(1.0, 60.0)
    bends = np.concatenate([_LANDMARKS, tail[tail < _REACH * scale]]) / scale
    points = np.concatenate([_UNIFORM, bends, -bends, np.array(kinks) / scale])
    edges = np.unique(points[np.abs(points) <= _REACH])
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * _POINTS).ravel()
    return nodes, (half * _WEIGHTS).ravel()


@lru_cache(maxsize=4)
def normal_grid(count: int) -> tuple[Floats, Floats]:
    """Evenly spaced nodes of the standard normal law and their weights (trapezoid rule).

    From -8.5 to 8.5, beyond which its probability is 2e-17. For smooth integrands the error falls
    exponentially with the spacing.
    """
    nodes = np.linspace(-8.5, 8.5, count)
    weights = np.exp(-0.5 * nodes**2)
    return nodes, weights / weights.sum()


def _averager(nodes: Floats, weights: Floats) -> Callable[[Floats, int], float]:
    weights = weights / math.sqrt(2.0 * math.pi)

    def average(values: Floats, power: int) -> float:
        # The density goes into the base of the power: values**4 alone may overflow.
        with np.errstate(over="ignore", invalid="ignore"):
            terms = weights * (values * np.exp(-0.5 / power * nodes**2)) ** power
            total = float(np.sum(terms))
        edge = float(np.max(np.abs(terms[[0, -1]])))
        # A large term at the last node: the nodes do not cover the integral.
        return total if edge <= _EDGE_UNDERFLOW + _EDGE_MASS * abs(total) else math.inf

    return average
