"""Gains against figures from the papers and from an independent check (facts of the project)."""

from __future__ import annotations

import math

import pytest

from gradscope.theory.batch_norm.rates import infinite_batch_rate
from gradscope.theory.moments.gains import (
    backward_gain,
    critical_gain,
    elasticity,
    forward_gain,
    weight_gains,
)


@pytest.mark.parametrize(("name", "gain"), [("gelu", 0.850), ("silu", 0.712), ("mish", 0.905)])
def test_he_collapses_smooth_rectifiers(name: str, gain: float) -> None:
    assert forward_gain(name, {}, 1.0, 2.0) == pytest.approx(gain, abs=6e-4)


@pytest.mark.parametrize(
    ("name", "forward", "growth"), [("gelu", 2.3517, 1.144), ("silu", 2.8108, 1.173)]
)
def test_exact_gain_and_its_unstable_fixed_point(name: str, forward: float, growth: float) -> None:
    assert critical_gain(name).forward == pytest.approx(forward, abs=5e-5)
    assert elasticity(name, {}, 1.0) == pytest.approx(growth, abs=6e-4)


def test_critical_gains() -> None:
    relu = critical_gain("relu", q=7.0)
    assert relu.forward == pytest.approx(2.0, rel=1e-12)
    assert relu.backward == pytest.approx(2.0, rel=1e-12)
    leaky = critical_gain("leaky_relu", {"negative_slope": 0.01})
    assert leaky.backward == pytest.approx(2 / 1.0001, rel=1e-12)
    assert critical_gain("selu").forward == pytest.approx(1.0, rel=1e-12)
    tanh = critical_gain("tanh")
    assert tanh.forward / tanh.backward == pytest.approx(1.1778, abs=5e-5)
    assert critical_gain("tanh", q=1e-8).backward == pytest.approx(1.0, rel=1e-7)


def test_sigmoid_at_zero_loses_a_factor_of_sixteen() -> None:
    assert backward_gain("sigmoid", {}, 1e-10, 1.0) == pytest.approx(1 / 16)


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


def test_infinite_batch_rates() -> None:
    assert infinite_batch_rate("relu", {}, 1.0) == pytest.approx(math.pi / (math.pi - 1))
    assert infinite_batch_rate("linear", {}, 1.0) == pytest.approx(1.0)
    assert infinite_batch_rate("tanh", {}, 1.0) == pytest.approx(1.1778, abs=5e-5)
