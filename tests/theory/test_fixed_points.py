"""Fixed points and depth scales against closed forms and an independent iteration of the maps."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.fixed_points import FixedPoint, fixed_point
from gradscope.theory.forecast import Task, forecast
from gradscope.theory.moments.moment_table import MomentTable
from gradscope.theory.scope import dense_blocks
from tests.theory.test_depth_recursion import network

NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def settled(activation: str, initializer: str, **more: Any) -> FixedPoint:
    hidden, _ = dense_blocks(network([100, 100], activation, initializer, **more), 1.0, 32)
    return fixed_point(hidden[-1])


def scaled(variance: float) -> dict[str, Any]:
    return {"scale": variance, "mode": "fan_in", "distribution": "truncated_normal"}


def test_he_keeps_relu_at_any_size() -> None:
    seen = settled("relu", "he_normal")
    assert math.isnan(seen.q)
    assert (seen.chi_1, seen.correlation) == (pytest.approx(1.0), 1.0)
    assert math.inf == seen.correlation_scale == seen.gradient_scale == seen.trainable_depth


def test_glorot_halves_relu() -> None:
    seen = settled("relu", "glorot_normal")
    assert (seen.q, seen.chi_1) == (0.0, pytest.approx(0.5))
    assert seen.correlation_scale == pytest.approx(1 / math.log(2))
    assert seen.trainable_depth == pytest.approx(6 / math.log(2))


def test_twice_the_deviation_explodes() -> None:
    seen = settled("relu", "variance_scaling", initializer_parameters=scaled(8.0))
    assert (seen.q, seen.chi_1) == (math.inf, pytest.approx(4.0))
    assert seen.gradient_scale == pytest.approx(1 / math.log(4))


def test_selu_has_the_fixed_point_it_was_made_for() -> None:
    """Klambauer et al. 2017: mean 0 and variance 1, contracting; uncorrelated samples stay so."""
    seen = settled("selu", "lecun_normal")
    assert seen.q == pytest.approx(1.0, rel=1e-6)
    assert seen.correlation == pytest.approx(0.0, abs=1e-6)
    assert seen.signal_scale == pytest.approx(-1 / math.log(0.7826), rel=2e-3)
    assert seen.chi_1 == pytest.approx(1.0716, abs=2e-3)


def test_tanh_loses_a_small_signal_by_a_power_law() -> None:
    seen = settled("tanh", "lecun_normal")
    assert (seen.q, seen.chi_1) == (0.0, pytest.approx(1.0))
    assert seen.signal_scale == math.inf


def test_gelu_has_no_stable_fixed_point() -> None:
    seen = settled("gelu", "he_normal")
    assert seen.q in (0.0, math.inf)
    exact = settled("gelu", "variance_scaling", initializer_parameters=scaled(2.3517))
    assert exact.q in (0.0, math.inf)  # 1 is a fixed point that nothing stays at


ROUNDING = 4e-16
ERRORS: list[Callable[[float], float]] = [
    lambda q: 1.0,
    lambda q: 1.0 + ROUNDING,
    lambda q: 1.0 - ROUNDING,
    lambda q: 1.0 + math.copysign(ROUNDING, math.sin(1e3 * math.log(q))),
]
"""What the last bits of a gain may be on one processor or another: exact, high, low, mixed."""


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (lambda q: 1.0, math.nan),
        (lambda q: 0.5 if q < 1.0 else 1.0, 0.0),  # GELU and Mish with He's variance
        (lambda q: 1.0 if q < 1.0 else 0.5, 0.0),  # ReLU6 with He's variance
        (lambda q: 2.0 if q < 1.0 else 1.0, math.inf),  # softplus with He's variance
        (lambda q: 1.0 if q < 1.0 else 2.0, math.inf),
        (lambda q: min(max(1e-2 / q, 1.0), 1e2 / q), 1.0),  # 1 from 0.01 to 100
        (lambda q: 3.0 * q**-0.25, 81.0),
    ],
)
def test_rounding_of_a_gain_of_one_makes_no_fixed_point(
    gain: Callable[[float], float],
    expected: float,
    error: Callable[[float], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hidden, _ = dense_blocks(network([100, 100], "tanh", "lecun_normal"), 1.0, 32)
    monkeypatch.setattr(
        "gradscope.theory.fixed_points._signal_map", lambda block: lambda q: q * gain(q) * error(q)
    )
    assert fixed_point(hidden[-1]).q == pytest.approx(expected, rel=1e-6, nan_ok=True)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        ("relu", math.nan),
        ("gelu", 0.0),
        ("mish", 0.0),
        ("silu", 0.0),
        ("relu6", 0.0),
        ("softplus", math.inf),
        ("sparse_plus", math.inf),
    ],
)
def test_he_fixed_points_do_not_depend_on_the_last_bits_of_the_moments(
    activation: str,
    expected: float,
    error: Callable[[float], float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Far from zero E phi^2 of these is q / 2 to the last bit, so that He's gain there is 1."""
    exact = MomentTable.second_moment
    monkeypatch.setattr(MomentTable, "second_moment", lambda self, q: exact(self, q) * error(q))
    assert settled(activation, "he_normal").q == pytest.approx(expected, nan_ok=True)


def test_a_signal_that_dies_in_one_layer_has_scale_zero() -> None:
    """soft_shrink is 0 between -0.5 and 0.5: no part of a small signal passes, and no gradient."""
    seen = settled("soft_shrink", "he_normal")
    assert (seen.q, seen.signal_scale, seen.chi_1, seen.gradient_scale) == (0.0, 0.0, 0.0, 0.0)


def iterated(sigma_w2: float, sigma_b2: float, kept: float) -> tuple[float, float, float]:
    """q*, c* and sigma_w^2 E phi'_a phi'_b of tanh by Gauss-Hermite grids and plain iteration."""
    q = settle(
        lambda q: sigma_w2 * float(np.tanh(math.sqrt(q) * NODES) ** 2 @ WEIGHTS) / kept + sigma_b2,
        1.0,
    )
    c = settle(lambda c: (sigma_w2 * shared(np.tanh, q, c) + sigma_b2) / q, 0.2)
    slope = sigma_w2 * shared(lambda z: 1 - np.tanh(z) ** 2, q, c)
    return q, c, slope


def settle(step: Callable[[float], float], x: float) -> float:
    """Apply `step` again and again until x no longer changes, by far more than is asked for."""
    for _ in range(3000):
        before, x = x, step(x)
        if abs(x - before) < 1e-12:
            return x
    raise AssertionError(f"not settled at {x}")


def shared(phi: Any, q: float, c: float) -> float:
    """E phi(z_a) phi(z_b) on a grid of 80 x 80 nodes."""
    other = c * NODES[:, None] + math.sqrt(max(1 - c * c, 0.0)) * NODES[None, :]
    root = math.sqrt(q)
    return float(WEIGHTS @ (phi(root * NODES)[:, None] * phi(root * other)) @ WEIGHTS)


@pytest.mark.parametrize(
    ("sigma_w2", "sigma_b2", "dropout"),
    [(1.69, 0.05, 0.0), (4.0, 0.3, 0.0), (0.8, 0.05, 0.0), (1.69, 0.05, 0.2)],
)
def test_tanh_against_plain_iteration(sigma_w2: float, sigma_b2: float, dropout: float) -> None:
    """The settings of Poole et al. 2016, with dropout as Schoenholz et al. 2017 add it."""
    seen = settled(
        "tanh",
        "variance_scaling",
        initializer_parameters=scaled(sigma_w2),
        dropout=dropout,
        use_bias=True,
        bias_initializer="random_normal",
        bias_initializer_parameters={"stddev": math.sqrt(sigma_b2)},
    )
    q, c, slope = iterated(sigma_w2, sigma_b2, 1 - dropout)
    assert seen.q == pytest.approx(q, rel=2e-4)
    derivative = 1 - np.tanh(math.sqrt(q) * NODES) ** 2
    chi_1 = sigma_w2 * float(derivative**2 @ WEIGHTS) / (1 - dropout)
    assert seen.chi_1 == pytest.approx(chi_1, rel=2e-3)
    ahead, behind = (
        sigma_w2 * float(np.tanh(math.sqrt(q * factor) * NODES) ** 2 @ WEIGHTS) / (1 - dropout)
        for factor in (1.001, 0.999)
    )
    signal_slope = (ahead - behind) / (0.002 * q)
    assert seen.signal_scale == pytest.approx(-1 / math.log(signal_slope), rel=5e-3)
    assert seen.correlation == pytest.approx(c, abs=1e-3)
    assert seen.correlation_scale == pytest.approx(-1 / math.log(slope), rel=5e-3)
    assert seen.trainable_depth == pytest.approx(6 * seen.correlation_scale)
    if dropout:
        assert seen.correlation < 0.99  # masks keep two samples apart


@pytest.mark.parametrize(
    ("placement", "batch", "rate"),
    [
        ("before_activation", 32, 1.522),
        ("before_activation", 128, 1.4797),
        ("after_activation", 32, 1.562),
    ],
)
def test_batch_norm_limits_the_depth_by_its_rate(placement: str, batch: int, rate: float) -> None:
    """Also for a network of two layers of unlike width, whose own gain is its geometry."""
    seen = forecast(
        "n",
        network([50, 700, 600], normalization=placement),
        SampleGeometry(1.0),
        Task("sparse_categorical_crossentropy"),
        batch_norm_epsilon=1e-9,
        batch_size=batch,
        probe_samples=100,
        seeds=1,
    ).fixed_point
    assert seen is not None
    assert seen.chi_1 == pytest.approx(rate, rel=8e-3)
    assert seen.trainable_depth == pytest.approx(16 / math.log(seen.chi_1))
    assert seen.signal_scale == 0.0  # batch norm sets q in every layer
