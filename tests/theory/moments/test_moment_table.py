"""The interpolated averages against direct quadrature, closed forms and Monte Carlo."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.theory.moments.gaussian_moments import gaussian_moments
from gradscope.theory.moments.moment_table import moment_table
from tests.each_case import each_case

HIDDEN = [name for name, entry in ACTIVATIONS.items() if entry.hidden]
CORRELATIONS = np.array([-0.9, -0.3, 0.0, 0.4, 0.8, 0.97, 1.0])


@each_case("name", HIDDEN)
def test_interpolation_is_the_quadrature(name: str) -> None:
    # A shrinker's moments fall like exp(-1 / q): the smallest q has a loss of digits of its own.
    smallest = 0.031 if name.endswith("_shrink") else 0.0031
    q = np.array([smallest, 0.4, 1.7 if name == "exponential" else 9.3])
    seen = moment_table(name, {}).moments(q)
    for i, at in enumerate(q):
        direct = gaussian_moments(name, float(at))
        scale = math.sqrt(direct.second)
        assert seen.mean[i] == pytest.approx(direct.mean, abs=2e-6 * scale)
        for figure in ("second", "fourth", "derivative_second"):
            wanted = getattr(direct, figure)
            assert getattr(seen, figure)[i] == pytest.approx(wanted, rel=5e-6), figure


@pytest.mark.parametrize("name", ["tanh", "gelu", "selu", "hard_tanh", "softplus"])
def test_slopes_are_derivatives(name: str) -> None:
    """By ln q, against differences of the direct quadrature."""
    q, step = 0.83, 1e-3
    seen = moment_table(name, {}).moments(np.array([q]))
    for figure, slope, curvature in (
        ("second", seen.slope, seen.curvature),
        ("derivative_second", seen.derivative_slope, seen.derivative_curvature),
    ):
        low, middle, high = (
            getattr(gaussian_moments(name, q * (1 + shift)), figure) for shift in (-step, 0, step)
        )
        assert slope[0] == pytest.approx((high - low) / (2 * step) / middle, abs=2e-4)
        bent = (high - 2 * middle + low) / step**2 / middle
        assert curvature[0] == pytest.approx(bent, abs=6e-3)


@pytest.mark.parametrize("q", [10.0, 45.0, 60.0, 400.0])
def test_moments_of_the_exponential_are_exact_or_not_finite(q: float) -> None:
    """E phi^n = exp(n^2 q / 2), whose mass lies at n sqrt(q) standard deviations."""
    seen = moment_table("exponential", {}).moments(np.array([q]))
    for moment, logarithm in ((seen.second, 2 * q), (seen.fourth, 8 * q)):
        if np.isfinite(moment).all():
            assert math.log(moment[0]) == pytest.approx(logarithm, rel=1e-6)
    assert np.isfinite(seen.second).all() == (q < 100.0)


@pytest.mark.parametrize("slope", [0.0, 0.2, 1.0])
def test_pairs_of_bent_lines(slope: float) -> None:
    """Cho & Saul 2009: E max(z_a, 0)^2 max(z_b, 0)^2 by its kernel of degree 2, and relatives."""
    c = CORRELATIONS
    seen = moment_table("prelu", {"alpha": slope}).pairs(3.0, c)
    angle, sine = np.arccos(c), np.sqrt(1 - c**2)
    same = ((math.pi - angle) * (1 + 2 * c**2) + 3 * sine * c) / (2 * math.pi)
    # z^2 z'^2 over all signs is 1 + 2 c^2; what is not of one sign is the rest.
    cross = (1 + 2 * c**2) / 2 - same
    ratio = (same * (1 + slope**4) + 2 * slope**2 * cross) / (0.5 * (1 + slope**2)) ** 2
    np.testing.assert_allclose(seen.square + 1, ratio, rtol=4e-3)
    kappa = 6 * (1 + slope**4) / (1 + slope**2) ** 2 - 1
    assert seen.square[-1] == pytest.approx(kappa, rel=1e-9)  # 5 for ReLU, 2 for linear
    agreeing = (math.pi - angle) / math.pi
    slopes = (agreeing * (1 + slope**2) + 2 * (1 - agreeing) * slope) / (1 + slope**2)
    np.testing.assert_allclose(seen.derivative, slopes, rtol=1e-12)


@pytest.mark.parametrize("name", ["tanh", "selu", "gelu", "sigmoid", "relu6"])
def test_pairs_by_monte_carlo(name: str) -> None:
    """Five standard errors of the sample mean of each product."""
    rng = np.random.default_rng(8)
    q, c, entry = 1.4, 0.6, ACTIVATIONS[name]
    first, other = rng.standard_normal((2, 60_000))
    z = math.sqrt(q) * np.stack([first, c * first + math.sqrt(1 - c * c) * other])
    a, b = entry.value(z, NUMPY_OPS)
    d, e = entry.derivative(z, NUMPY_OPS)
    second, slope = gaussian_moments(name, q).second, gaussian_moments(name, q).derivative_second
    seen: Any = moment_table(name, {}).pairs(q, np.array([c]))
    for sample, expected in (
        (a * b / second, seen.value),
        (d * e / slope, seen.derivative),
        (a * a * b * b / second**2, seen.square + 1),
        (d * d * e * e / slope**2, seen.derivative_square + 1),
        (a * a * e * e / second / slope, seen.mixed + 1),
        (a**3 * b / second**2, seen.cube),
    ):
        error = 5 * float(np.std(sample)) / math.sqrt(len(sample))
        assert abs(float(np.mean(sample)) - float(expected[0])) < error + 1e-3


@pytest.mark.parametrize(("c", "tolerance"), [(0.5, 1e-7), (0.9, 3e-4), (0.95, 3e-3)])
def test_steps_at_large_correlation(c: float, tolerance: float) -> None:
    """hard_tanh: P(|a| < 1 and |b| < 1) over P(|a| < 1), by an integral over a."""
    a = np.linspace(-1.0, 1.0, 20_001)
    density = np.exp(-0.5 * a**2)
    normal, root = NormalDist(), math.sqrt(1 - c * c)
    inside = [normal.cdf((1 - c * x) / root) - normal.cdf((-1 - c * x) / root) for x in a]
    exact = np.trapezoid(density * inside, a) / np.trapezoid(density, a)
    seen = moment_table("hard_tanh", {}).pairs(1.0, np.array([c])).derivative[0]
    assert seen == pytest.approx(exact, rel=tolerance)


@pytest.mark.parametrize("name", ["relu", "tanh", "selu"])
def test_a_mean_that_all_units_share(name: str) -> None:
    """A constant bias: E over z ~ N(mean, q) by Monte Carlo."""
    mean, q = 0.4, 0.7
    z = mean + math.sqrt(q) * np.random.default_rng(4).standard_normal(60_000)
    seen = moment_table(name, {}, mean).moments(np.array([q]))
    value = ACTIVATIONS[name].value(z, NUMPY_OPS)
    slope = ACTIVATIONS[name].derivative(z, NUMPY_OPS)
    for sample, expected in (
        (value, seen.mean),
        (value**2, seen.second),
        (value**4, seen.fourth),
        (slope**2, seen.derivative_second),
    ):
        error = 5 * float(np.std(sample)) / math.sqrt(len(sample))
        assert abs(float(np.mean(sample)) - float(expected[0])) < error + 1e-9


@pytest.mark.parametrize("name", ["tanh", "selu", "gelu", "softsign"])
def test_tiny_variances_are_those_of_a_line(name: str) -> None:
    """q = 1e-100: phi is its slope at 0, two-sided for SELU; nothing under- or overflows."""
    seen: Any = moment_table(name, {}).pairs(1e-100, np.array([0.5, 1.0]))
    near = ACTIVATIONS[name].derivative(np.array([-1e-60, 1e-60]), NUMPY_OPS)
    like = moment_table("prelu", {"alpha": float(near[0] / near[1])}).pairs(1.0, np.array([0.5, 1]))
    for figure in ("value", "derivative", "square", "mixed", "cube"):
        np.testing.assert_allclose(
            getattr(seen, figure), getattr(like, figure), rtol=0.02, atol=1e-12
        )
