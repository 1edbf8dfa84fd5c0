"""Gains against figures from the papers and from an independent check (facts of the project)."""

from __future__ import annotations

import pytest

from gradscope.theory.moments.gains import elasticity, weight_gains
from gradscope.theory.moments.gaussian_moments import gaussian_moments


@pytest.mark.parametrize(("name", "gain"), [("gelu", 0.850), ("silu", 0.712), ("mish", 0.905)])
def test_he_collapses_smooth_rectifiers(name: str, gain: float) -> None:
    assert 2.0 * gaussian_moments(name, 1.0).second == pytest.approx(gain, abs=6e-4)


@pytest.mark.parametrize(
    ("name", "forward", "growth"), [("gelu", 2.3517, 1.144), ("silu", 2.8108, 1.173)]
)
def test_exact_gain_and_its_unstable_fixed_point(name: str, forward: float, growth: float) -> None:
    assert 1.0 / gaussian_moments(name, 1.0).second == pytest.approx(forward, abs=5e-5)
    assert elasticity(name, {}, 1.0) == pytest.approx(growth, abs=6e-4)


def test_gains_that_keep_signal_and_gradient() -> None:
    """sigma_w^2 = q / E phi^2 and 1 / E phi'^2; they agree for homogeneous activations only."""
    relu = gaussian_moments("relu", 7.0)
    assert (7.0 / relu.second, 1.0 / relu.derivative_second) == pytest.approx((2.0, 2.0), rel=1e-12)
    leaky = gaussian_moments("leaky_relu", 1.0, {"negative_slope": 0.01})
    assert 1.0 / leaky.derivative_second == pytest.approx(2 / 1.0001, rel=1e-12)
    assert gaussian_moments("selu", 1.0).second == pytest.approx(1.0, rel=1e-12)
    tanh = gaussian_moments("tanh", 1.0)
    assert tanh.derivative_second / tanh.second == pytest.approx(1.1778, abs=5e-5)
    assert gaussian_moments("tanh", 1e-8).derivative_second == pytest.approx(1.0, rel=1e-7)


def test_sigmoid_at_zero_loses_a_factor_of_sixteen() -> None:
    assert gaussian_moments("sigmoid", 1e-10).derivative_second == pytest.approx(1 / 16)


def test_elasticity_of_homogeneous_activations_is_one() -> None:
    assert elasticity("relu", {}, 3.0) == pytest.approx(1.0, rel=1e-9)
    assert elasticity("tanh", {}, 1.0) < 1.0


def test_weight_gains_of_rectangles() -> None:
    glorot = weight_gains("glorot_uniform", {}, 784, 300)
    assert (glorot.forward, glorot.backward) == pytest.approx((2 * 784 / 1084, 2 * 300 / 1084))
    he = weight_gains("he_normal", {"seed": 3}, 784, 300)
    assert (he.forward, he.backward) == pytest.approx((2.0, 2 * 300 / 784))
    wide = weight_gains("orthogonal", {"gain": 2.0}, 100, 400)
    assert (wide.forward, wide.backward) == pytest.approx((1.0, 4.0))
