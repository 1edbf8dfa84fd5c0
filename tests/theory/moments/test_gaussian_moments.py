"""Quadrature against closed forms (1e-9) and against Monte Carlo (five standard errors)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.activations.rectifiers import SELU_ALPHA, SELU_SCALE
from gradscope.catalog.array_ops import NUMPY_OPS, erf
from gradscope.theory.moments.gaussian_moments import _averager, _nodes, gaussian_moments
from tests.each_case import each_case

EVERY_Q = [10.0**k for k in range(-12, 13, 3)]
HIDDEN = [name for name, entry in ACTIVATIONS.items() if entry.hidden]


def close(got: float, expected: float, tolerance: float = 1e-9) -> bool:
    return math.isclose(got, expected, rel_tol=tolerance)


def test_erf_is_math_erf() -> None:
    x = np.concatenate([np.linspace(-7.0, 7.0, 20_001), [1e-300, 1e300, -np.inf]])
    exact = np.array([math.erf(value) for value in x])
    np.testing.assert_allclose(erf(x), exact, rtol=5e-16, atol=0)
    assert np.isnan(erf(np.nan))
    assert erf(np.zeros((2, 0))).shape == (2, 0)


@pytest.mark.parametrize("slope", [0.0, 0.01, 0.25, 1.0, -0.5])
def test_homogeneous_closed_form(slope: float) -> None:
    for q in EVERY_Q:
        moments = gaussian_moments("prelu", q, {"alpha": slope})
        assert close(moments.second, q * (1 + slope**2) / 2), q
        assert close(moments.fourth, 3 * q * q * (1 + slope**4) / 2), q
        assert close(moments.derivative_second, (1 + slope**2) / 2), q
        assert close(moments.derivative_mean, (1 + slope) / 2), q
        mean = (1 - slope) * math.sqrt(q / (2 * math.pi))
        assert math.isclose(moments.mean, mean, rel_tol=1e-9, abs_tol=1e-13 * math.sqrt(q)), q


def test_relu_leaky_and_linear_are_their_prelu() -> None:
    for name, slope in (("relu", 0.0), ("leaky_relu", 0.2), ("linear", 1.0)):
        assert gaussian_moments(name, 2.0).second == pytest.approx(1 + slope**2, rel=1e-12)


@each_case("q", EVERY_Q)
def test_gelu_closed_form(q: float) -> None:
    """By Stein's lemma and E Phi(z)^2 = 1/4 + asin(q / (1 + q)) / (2 pi)."""
    share = math.asin(q / (1 + q)) / (2 * math.pi)
    root = math.sqrt(1 + 2 * q)
    second = q * (0.25 + share + q / (math.pi * (1 + q) * root))
    derivative = 0.25 + share + q / (math.pi * (1 + q) * root) + q / (2 * math.pi * root**3)
    moments = gaussian_moments("gelu", q)
    # The mean is small against E |phi| for small q: the tolerance counts that cancellation.
    assert math.isclose(
        moments.mean, q / math.sqrt(2 * math.pi * (1 + q)), rel_tol=1e-9, abs_tol=1e-15 * q**0.5
    )
    assert close(moments.second, second)
    assert close(moments.derivative_second, derivative)


def tail(k: float, q: float) -> float:
    """E exp(k z) over z < 0."""
    return math.exp(k * k * q / 2) * math.erfc(k * math.sqrt(q / 2)) / 2


@pytest.mark.parametrize("q", [0.01, 0.3, 1.0, 4.0, 100.0])
def test_selu_closed_form(q: float) -> None:
    left, scale = SELU_ALPHA, SELU_SCALE
    mean = scale * (math.sqrt(q / (2 * math.pi)) + left * (tail(1, q) - 0.5))
    second = scale**2 * (q / 2 + left**2 * (tail(2, q) - 2 * tail(1, q) + 0.5))
    moments = gaussian_moments("selu", q)
    assert math.isclose(moments.mean, mean, rel_tol=1e-9, abs_tol=1e-15)
    assert close(moments.second, second)
    assert close(moments.derivative_second, scale**2 * (0.5 + left**2 * tail(2, q)))


def test_selu_has_its_fixed_point() -> None:
    moments = gaussian_moments("selu", 1.0)
    assert abs(moments.mean) < 1e-14
    assert close(moments.second, 1.0, 1e-14)


@pytest.mark.parametrize("q", [1e-12, 1e-3, 1.0, 30.0])
def test_exponential_closed_form(q: float) -> None:
    moments = gaussian_moments("exponential", q)
    assert close(moments.mean, math.exp(q / 2))
    assert close(moments.second, math.exp(2 * q))
    assert close(moments.fourth, math.exp(8 * q))


def test_a_moment_beyond_double_range_is_infinite() -> None:
    moments = gaussian_moments("exponential", 1e4)
    assert moments.mean == moments.second == moments.derivative_second == math.inf
    assert gaussian_moments("exponential", 300.0).fourth == math.inf


@each_case("q", EVERY_Q)
def test_hard_tanh_closed_form(q: float) -> None:
    inside = math.erf(1 / math.sqrt(2 * q))
    edge = math.sqrt(2 / (math.pi * q)) * math.exp(-0.5 / q) if q > 1e-3 else 0.0
    moments = gaussian_moments("hard_tanh", q)
    if q < 1e8:  # beyond, this closed form itself cancels
        assert close(moments.second, q * (inside - edge) + math.erfc(1 / math.sqrt(2 * q)), 1e-8)
    assert close(moments.derivative_second, inside)


@pytest.mark.parametrize(
    ("name", "integral"),
    [("tanh", 4 / 3), ("sigmoid", 1 / 6), ("softsign", 2 / 3), ("hard_sigmoid", 1 / 6)],
)
def test_saturated_limit(name: str, integral: float) -> None:
    """q -> infinity: E phi'^2 -> integral of phi'^2 / sqrt(2 pi q), up to a relative O(1/q)."""
    q = 1e12
    expected = integral / math.sqrt(2 * math.pi * q)
    tolerance = 1e-5 if name == "softsign" else 1e-10  # its tails are algebraic
    assert close(gaussian_moments(name, q).derivative_second, expected, tolerance)


@each_case("name", HIDDEN)
def test_linear_limit(name: str) -> None:
    """q -> 0: E phi^2 -> phi(0)^2 + O(q), E phi'^2 -> mean of the one-sided slopes squared."""
    entry, near = ACTIVATIONS[name], np.array([-1e-9, 1e-9])
    moments = gaussian_moments(name, 1e-12)
    slopes = entry.derivative(near, NUMPY_OPS) ** 2
    assert math.isclose(moments.derivative_second, float(slopes.mean()), rel_tol=1e-5, abs_tol=1e-9)
    start = float(entry.value(np.zeros(1), NUMPY_OPS)[0]) ** 2
    assert math.isclose(moments.second, start, rel_tol=1e-5, abs_tol=4e-12)


@each_case("q", [0.2, 3.0])
@each_case("name", HIDDEN)
def test_monte_carlo(name: str, q: float) -> None:
    n = 40_000
    z = math.sqrt(q) * np.random.default_rng(11).standard_normal(n)
    entry, moments = ACTIVATIONS[name], gaussian_moments(name, q)
    value, derivative = entry.value(z, NUMPY_OPS), entry.derivative(z, NUMPY_OPS)
    pairs = [
        (value, moments.mean),
        (value**2, moments.second),
        (derivative, moments.derivative_mean),
        (derivative**2, moments.derivative_second),
    ]
    if name == "exponential":  # the squares have no useful sample mean at q = 3
        pairs = pairs[:1] if q > 1 else pairs
    for sample, expected in pairs:
        error = (
            5 * float(np.std(sample)) / math.sqrt(n) + 1e-10
        )  # an event rarer than 1 / n may not show
        assert abs(float(np.mean(sample)) - expected) < error


def test_refuses_what_has_no_moments() -> None:
    with pytest.raises(KeyError, match="softmax"):
        gaussian_moments("softmax", 1.0)
    for q in (0.0, -1.0, math.inf, math.nan):
        with pytest.raises(ValueError, match="positive"):
            gaussian_moments("relu", q)


def test_alias_and_cache() -> None:
    assert gaussian_moments("swish", 1.0) is gaussian_moments("silu", 1.0)


@pytest.mark.parametrize("q", [1e-2, 4.0, 1e6])
def test_a_kink_off_the_landmarks_is_split(q: float) -> None:
    """E max(z - k, 0) = s phi(k / s) - k (1 - Phi(k / s)); every kink so far is a landmark."""
    kink, scale = 0.7123, math.sqrt(q)
    nodes, weights = _nodes((kink,), q)
    got = _averager(nodes, weights)(np.maximum(scale * nodes - kink, 0.0), 1)
    density = math.exp(-0.5 * (kink / scale) ** 2) / math.sqrt(2 * math.pi)
    expected = scale * density - kink * math.erfc(kink / scale / math.sqrt(2)) / 2
    assert close(got, expected, 1e-9)
