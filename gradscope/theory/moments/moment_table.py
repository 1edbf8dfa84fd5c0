"""Averages of one activation over z ~ N(mean, q) for many q at once, and over pairs of them.

`gaussian_moments` gives one q to 1e-10; a network of 900 layers and 24 kinds of sample needs
thousands. Here they are interpolated between q on a grid (polynomials of degree 5 in ln q, good to
1e-6). A pair (z_a, z_b) with correlation c is summed in Hermite polynomials: E f(z_a) f(z_b) is the
sum over k of (coefficient k of f)^2 c^k (Mehler's formula).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.theory.moments.gaussian_moments import negative_slope, require_activation

__all__ = ["MomentTable", "Moments", "Pairs", "moment_table"]

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_STEP = 0.125
"""Grid step in ln q: with six neighbours the interpolation error, about step^6, is below 1e-6."""

_NEIGHBOURS = np.arange(-2.0, 4.0)
"""Grid points used for one q, counted from the one below it: as many above as below."""

# Column i: coefficients of the polynomial that is 1 at neighbour i and 0 at the others.
_LAGRANGE = np.linalg.inv(np.vander(_NEIGHBOURS, increasing=True))

_SLOPE_STEP = 0.02
"""Step in ln q of the finite differences behind slopes and curvatures. Truncation and interpolation
noise balance there: against direct quadrature slopes are within 2e-5, curvatures within 6e-5."""

_DEGREES = 32
"""Degree at which the Hermite series ends. The rest of E phi^2 is then below 5e-4 for continuous
activations and 1 % for hard_shrink; that of E phi'^2, where phi' steps, 5 %. `pairs` adds the rest
as one power of the correlation."""

_REST_POWER = 1.6 * _DEGREES
"""Power of the correlation that stands for all degrees beyond `_DEGREES`. For the steps of
hard_tanh's phi' the error against the exact integral is 1e-4 at c = 0.9, 2e-3 at 0.95."""

_POINTS, _WEIGHTS = np.polynomial.legendre.leggauss(10)

_REACH = 38.0
"""Largest node in standard deviations: exp(-38^2 / 2) is 1e-314, the last before the density
underflows at 38.6. So far out because phi^6 of an exponential has its mass there."""

_UNIFORM = np.concatenate([np.arange(-_REACH, -8.0, 5.0), np.arange(-8.0, 8.5, 1.0)])
_UNIFORM = np.unique(np.concatenate([_UNIFORM, -_UNIFORM]))
"""Panel edges in standard deviations: one wide where the mass is, five in the tails."""

_BENDS = np.array([0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 9.0, 14.0, 22.0, 35.0])
"""Panel edges in units of z: smooth activations bend near 0 and are straight or flat beyond 35."""

_TINY = 1e-300
"""Floor of what is divided by or taken the logarithm of: an average of exactly 0 stays about 0."""

_POWERS = np.array([[2, 0], [4, 0], [0, 2], [0, 4], [2, 2], [6, 0]])  # of phi and phi'
_MOMENTS = 6  # E phi^2, phi^4, phi'^2, phi'^4, phi^2 phi'^2, phi^6
_FUNCTIONS = 6  # phi, phi', phi^2, phi'^2, phi^2 with phi'^2, phi^3 with phi
_COLUMNS = 1 + _MOMENTS + _FUNCTIONS * (_DEGREES + 2)


@dataclass(frozen=True)
class Moments:
    """E phi, E phi^2, E phi^4, E phi'^2, E phi'^4 and E phi^2 phi'^2, each shaped like q.

    `slope` and `curvature` are q (d/dq) E phi^2 / E phi^2 and q^2 (d/dq)^2 E phi^2 / E phi^2,
    `derivative_slope` and `derivative_curvature` the same of E phi'^2.
    """

    mean: Floats
    second: Floats
    fourth: Floats
    derivative_second: Floats
    derivative_fourth: Floats
    mixed: Floats
    slope: Floats
    curvature: Floats
    derivative_slope: Floats
    derivative_curvature: Floats


@dataclass(frozen=True)
class Pairs:
    """Averages over two samples, each over the product of what one sample has alone.

    `value` E phi_a phi_b / E phi^2, `derivative` E phi'_a phi'_b / E phi'^2; `square`
    E phi_a^2 phi_b^2 / (E phi^2)^2 - 1, `derivative_square` likewise of phi'^2, `mixed`
    E phi_a^2 phi'_b^2 / (E phi^2 E phi'^2) - 1; `square_part` and `mixed_part` are the parts of
    `square` and `mixed` that go with z_a z_b - E z_a z_b (second Hermite polynomial). `cube` is
    E phi_a^3 phi_b / (E phi^2)^2; `linear` and `derivative_constant` are the shares of E phi^2 and
    E phi'^2 that a straight line through phi gives.
    """

    value: Floats
    derivative: Floats
    square: Floats
    derivative_square: Floats
    mixed: Floats
    square_part: Floats
    mixed_part: Floats
    cube: Floats
    linear: float
    derivative_constant: float


class MomentTable:
    """The averages of one activation with its parameters, around one mean of z."""

    def __init__(self, activation: str, parameters: Mapping[str, Any], mean: float) -> None:
        self._entry = require_activation(activation)
        self._parameters = self._entry.complete(parameters)
        self._mean = mean
        slope = negative_slope(self._entry.name, self._parameters)
        self._slope = slope if mean == 0.0 else None
        self._first = 0
        self._rows = np.empty((0, _COLUMNS))  # row i is for ln q = (first + i) * step; NaN: not yet

    def moments(self, q: Floats) -> Moments:
        """Moments at each q > 0; not finite where a double cannot hold them."""
        x = np.log(q)
        step = _SLOPE_STEP
        near = self._interpolated(np.stack([x - step, x, x + step]), 1 + _MOMENTS)
        below, here, above = near[..., 1:]
        with np.errstate(over="ignore", invalid="ignore"):
            squares = np.exp(here + self._degrees() * x[..., None])
            mean = near[1, ..., 0] * np.sqrt(squares[..., 0])
        with np.errstate(invalid="ignore"):
            first = (above - below) / (2.0 * step) + self._degrees()
            bend = (above - 2.0 * here + below) / step**2
            # d/dlnq of ln f is s; q^2 f'' / f = s^2 - s + ds/dlnq.
            second = first**2 - first + bend
        return Moments(
            mean=mean,
            second=squares[..., 0],
            fourth=squares[..., 1],
            derivative_second=squares[..., 2],
            derivative_fourth=squares[..., 3],
            mixed=squares[..., 4],
            slope=first[..., 0],
            curvature=second[..., 0],
            derivative_slope=first[..., 2],
            derivative_curvature=second[..., 2],
        )

    def pairs(self, q: float, correlation: Floats) -> Pairs:
        """Averages over two samples of variance q at each correlation in [-1, 1]."""
        row = self._interpolated(np.array(math.log(q)), _COLUMNS)
        second, fourth, d_second, d_fourth, _, sixth = row[1 : 1 + _MOMENTS]
        ratio, d_ratio = math.exp(fourth - 2.0 * second), math.exp(d_fourth - 2.0 * d_second)
        shares = row[1 + _MOMENTS :].reshape(_FUNCTIONS, _DEGREES + 2)
        powers = correlation[..., None] ** np.arange(_DEGREES + 1.0)
        # The rest of the series, as one power of the correlation.
        rest = np.sign(correlation) ** (_DEGREES + 1) * np.abs(correlation) ** _REST_POWER
        value, derivative, square, d_square, mixed, cube = (
            powers @ share[:-1] + share[-1] * rest for share in shares
        )
        if self._slope is not None:
            value, derivative, d_square = _homogeneous(self._slope, correlation)
            d_square = d_square / d_ratio
        both = math.sqrt(ratio * d_ratio)
        return Pairs(
            value=value,
            derivative=derivative,
            square=ratio * square - 1.0,
            derivative_square=d_ratio * d_square - 1.0,
            mixed=both * mixed - 1.0,
            square_part=ratio * shares[2, 2] * correlation**2,
            mixed_part=both * shares[4, 2] * correlation**2,
            cube=cube * math.exp(0.5 * (sixth - 3.0 * second)),
            linear=float(shares[0, 1]),
            derivative_constant=float(shares[1, 0]),
        )

    def _degrees(self) -> Floats:
        """Powers of q that the table leaves out: those of a homogeneous activation, else none."""
        homogeneous = self._slope is not None
        return np.array([1.0, 2.0, 0.0, 0.0, 1.0, 3.0]) if homogeneous else np.zeros(_MOMENTS)

    def _interpolated(self, x: Floats, columns: int) -> Floats:
        """The first columns of the rows at ln q = x, [..., column]."""
        if self._slope is not None:
            self._fill(np.array([0]))
            return np.broadcast_to(self._rows[0, :columns], (*x.shape, columns))
        base = np.floor(x / _STEP)
        needed = (base[..., None] + _NEIGHBOURS).astype(np.int64)
        self._fill(np.unique(needed))
        weights = _lagrange(x / _STEP - base)
        rows: Floats = np.einsum(
            "...t,...tc->...c", weights, self._rows[needed - self._first, :columns]
        )
        return rows

    def _fill(self, indices: Integers) -> None:
        """Compute the rows of the grid's `indices` (ascending) that are not there yet."""
        low, high = int(indices[0]), int(indices[-1])
        if not len(self._rows):
            self._first = low
        before = max(self._first - low, 0)
        after = max(high + 1 - self._first - len(self._rows), 0)
        if before or after:
            empty = np.full((before + after, _COLUMNS), np.nan)
            self._rows = np.concatenate([empty[:before], self._rows, empty[before:]])
            self._first -= before
        for index in indices.tolist():
            if math.isnan(self._rows[index - self._first, -1]):
                self._rows[index - self._first] = self._row(math.exp(index * _STEP))

    def second_moment(self, q: float) -> float:
        """E phi^2 alone, by quadrature."""
        nodes, weights = _nodes(self._entry.kinks, q, self._mean)
        z = self._mean + math.sqrt(q) * nodes
        with np.errstate(over="ignore", invalid="ignore"):
            value = np.asarray(self._entry.value(z, NUMPY_OPS, **self._parameters))
            return float(value**2 @ weights)

    def _row(self, q: float) -> Floats:
        """Mean and logs of the moments, then the Hermite shares of the five functions."""
        nodes, weights = _nodes(self._entry.kinks, q, self._mean)
        z = self._mean + math.sqrt(q) * nodes
        value = np.asarray(self._entry.value(z, NUMPY_OPS, **self._parameters))
        slope = np.asarray(self._entry.derivative(z, NUMPY_OPS, **self._parameters))
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            # Over their own root mean squares, so that no power of them leaves the range.
            sizes = [math.sqrt(max(float(f**2 @ weights), _TINY)) for f in (value, slope)]
            value, slope = value / sizes[0], slope / sizes[1]
            functions = np.stack([value, slope, value**2, slope**2, value**3])
            squares = functions**2 @ weights
            scaled = functions / np.sqrt(np.maximum(squares, _TINY))[:, None]
            coefficients = (scaled * weights) @ _hermite(nodes).T
            alone, products = coefficients[:4] ** 2, coefficients[2::2] * coefficients[[3, 0]]
            # phi^2 with phi'^2, then phi^3 with phi, whose product is phi^4.
            mixed = float((scaled[2] * scaled[3]) @ weights)
            whole = np.array([1.0, 1.0, 1.0, 1.0, mixed, float((scaled[4] * scaled[0]) @ weights)])
            shares = np.concatenate([alone, products])
            rest = whole - shares.sum(axis=1)
            both = mixed * math.sqrt(squares[2] * squares[3])
            moments = np.array([1.0, squares[2], 1.0, squares[3], both, squares[4]])
            logs = np.log(np.maximum(moments, _TINY)) + _POWERS @ np.log(sizes)
            relative = float(value @ weights)
        return np.concatenate([[relative], logs, np.column_stack([shares, rest]).ravel()])


@lru_cache(maxsize=64)
def _cached_table(name: str, parameters: tuple[tuple[str, Any], ...], mean: float) -> MomentTable:
    return MomentTable(name, dict(parameters), mean)


def moment_table(activation: str, parameters: Mapping[str, Any], mean: float = 0.0) -> MomentTable:
    """The table of an activation around a mean of z (the bias that all units share), cached."""
    entry = require_activation(activation)
    return _cached_table(entry.name, entry.cache_key(parameters), float(mean))


def _nodes(kinks: tuple[float, ...], q: float, mean: float) -> tuple[Floats, Floats]:
    """Nodes in standard deviations, and their weights under the normal density."""
    scale = math.sqrt(q)
    marks = np.concatenate([-_BENDS, [0.0], _BENDS, np.array(kinks)])
    points = np.concatenate([_UNIFORM, (marks - mean) / scale])
    edges = np.unique(points[np.abs(points) <= _REACH])
    half = 0.5 * np.diff(edges)[:, None]
    nodes = (0.5 * (edges[1:] + edges[:-1])[:, None] + half * _POINTS).ravel()
    weights = (half * _WEIGHTS).ravel() * np.exp(-0.5 * nodes**2) / math.sqrt(2.0 * math.pi)
    return nodes, weights


def _hermite(nodes: Floats) -> Floats:
    """Hermite polynomials of degree 0 to `_DEGREES`, orthonormal under the normal density."""
    values = [np.ones_like(nodes), nodes]
    for k in range(1, _DEGREES):
        values.append((nodes * values[k] - math.sqrt(k) * values[k - 1]) / math.sqrt(k + 1.0))
    return np.stack(values)


def _lagrange(t: Floats) -> Floats:
    """Weights of the six neighbours for a point at t in [0, 1) between the middle two."""
    powers = np.asarray(t)[..., None] ** np.arange(len(_NEIGHBOURS))
    weights: Floats = powers @ _LAGRANGE
    return weights


def _homogeneous(slope: float, c: Floats) -> tuple[Floats, Floats, Floats]:
    """`value`, `derivative` and E phi'_a^2 phi'_b^2 / (E phi'^2)^2 of a homogeneous activation.

    Cho & Saul 2009, arc-cosine kernels of degree 0 and 1.
    """
    c = np.clip(c, -1.0, 1.0)
    angle = np.arccos(c)
    j0 = 1.0 - angle / math.pi
    j1 = (np.sqrt(np.maximum(1.0 - c * c, 0.0)) + (math.pi - angle) * c) / math.pi
    size = 1.0 + slope * slope
    value = ((1.0 - slope) ** 2 * j1 + 2.0 * slope * c) / size
    derivative = j0 + 2.0 * slope / size * (1.0 - j0)
    square = 2.0 / size**2 * ((1.0 + slope**4) * j0 + 2.0 * slope**2 * (1.0 - j0))
    return value, derivative, square
