"""The head's drop, the initial loss, units dead on a batch: against figures and simulation."""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import NormalDist

import numpy as np
import pytest

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.dead_units import dead_fraction
from gradscope.theory.forecast import Forecast, Task, forecast
from gradscope.theory.output.error_cosines import error_cosines, logit_aligned_share
from gradscope.theory.output.initial_loss import Head, initial_head
from gradscope.theory.scope import Block, dense_blocks
from tests.theory.initialised import initialise
from tests.theory.test_depth_recursion import network


def head(activation: str, loss: str, variance: float, units: int, target: float = 1.0) -> Head:
    return initial_head(
        activation,
        loss,
        units=units,
        variances=np.array([variance]),
        shares=np.ones(1),
        target_second_moment=target,
        drop=1.0,
    )


@pytest.mark.parametrize(
    ("variance", "loss"),
    [(1e-9, math.log(10)), (0.01, 2.307), (0.1, 2.347), (0.5, 2.522), (1.96, 3.097), (4.0, 3.771)],
)
def test_cross_entropy_at_the_start(variance: float, loss: float) -> None:
    assert head("softmax", "sparse_categorical_crossentropy", variance, 10).initial_loss == (
        pytest.approx(loss, abs=2.5e-3)
    )


@pytest.mark.parametrize("variance", [1e-6, 1.96, 60.0, 1e6])
@pytest.mark.parametrize("units", [2, 10])
def test_softmax_by_simulation(variance: float, units: int) -> None:
    """Loss and E (p - y)^2 within five standard errors."""
    z = math.sqrt(variance) * np.random.default_rng(6).standard_normal((3000, units))
    top = z.max(axis=1, keepdims=True)
    p = np.exp(z - top)
    loss = np.log(p.sum(axis=1)) + top[:, 0] - z[:, 0]
    p /= p.sum(axis=1, keepdims=True)
    delta = np.mean((p - np.eye(units)[0]) ** 2, axis=1)
    seen = head("softmax", "categorical_crossentropy", variance, units)
    for sample, expected in ((loss, seen.initial_loss), (delta, seen.delta_second_moment)):
        error = 5 * float(np.std(sample)) / math.sqrt(len(sample))
        assert abs(float(np.mean(sample)) - expected) < error + 3e-4 * abs(expected)


def test_other_heads() -> None:
    flat = head("sigmoid", "binary_crossentropy", 1e-12, 1)
    assert (flat.initial_loss, flat.delta_second_moment) == pytest.approx((math.log(2), 0.25))
    squared = head("linear", "mean_squared_error", 0.7, 2, target=3.0)
    assert (squared.initial_loss, squared.delta_second_moment) == pytest.approx((3.7, 3.7))
    assert math.isnan(head("softmax", "hinge", 1.0, 10).initial_loss)


def foreseen(widths: list[int], batch: int = 32) -> Forecast:
    return forecast(
        "n",
        network(widths),
        SampleGeometry(1.0),
        Task("sparse_categorical_crossentropy"),
        batch_norm_epsilon=1e-3,
        batch_size=batch,
        probe_samples=256,
        seeds=1,
    )


def test_the_softmax_head_drops_the_gradient_once() -> None:
    """C Var w E phi'^2 = 10 x 2 / (512 + 10) / 2 = 0.01916 (measured: 0.01944)."""
    seen = foreseen([100, 512, 512]).head
    assert seen is not None
    assert seen.drop == pytest.approx(0.01916, abs=1e-5)
    rng = np.random.default_rng(0)
    layers = network([100, 512, 512])
    runs = [
        initialise(rng, layers, rng.standard_normal((64, 100)), rng.integers(0, 10, 64))
        for _ in range(8)
    ]
    drops = [run.delta[-1] / run.output_delta for run in runs]
    assert np.mean(drops) == pytest.approx(seen.drop, rel=4 * np.std(drops) / np.mean(drops))
    assert np.mean([run.loss for run in runs]) == pytest.approx(seen.initial_loss, rel=0.06)


OUTPUT = dense_blocks(network([8, 8]), 1.0, 1)[1]
assert OUTPUT is not None


def hidden_of(activation: str) -> Block:
    return dense_blocks(network([8, 8], activation), 1.0, 1)[0][0]


@pytest.mark.parametrize(
    ("depth", "batch", "share"),
    [(10, 128, 0.146), (30, 128, 0.326), (50, 128, 0.385), (30, 64, 0.342)],
)
def test_dead_on_a_batch_is_geometry(depth: int, batch: int, share: float) -> None:
    """Figures of the project's facts, where numpy networks showed .151, .349, .388 and .341."""
    seen = foreseen([512] * (depth + 1), batch).dead_on_batch
    assert seen is not None
    expected = share if batch == 128 else seen[depth - 1]
    assert seen[depth - 1] == pytest.approx(expected, abs=0.012)
    assert np.all(np.diff(seen) >= 0)


@pytest.mark.parametrize("bias", [-1.0, 0.5, 2.0])
def test_dead_for_one_sample_is_the_normal_law_below_the_bias(bias: float) -> None:
    block = replace(hidden_of("relu"), bias_mean=bias)
    expected = NormalDist().cdf(-bias / math.sqrt(1.7))
    assert dead_fraction(block, 1.7, 0.4, 1) == pytest.approx(expected, rel=1e-6)


def test_errors_of_real_targets_are_independent_of_each_other() -> None:
    """Two random directions in 5 dimensions have a mean square cosine of 1 / 5."""
    output = replace(hidden_of("linear"), units=5)
    seen = error_cosines(output, 1e-9, 0.0)
    assert (seen.same_class, seen.same_class_square) == pytest.approx((0.0, 0.2), abs=1e-6)


def test_the_scatter_of_the_logits_is_capped() -> None:
    capped, far = (logit_aligned_share(OUTPUT, 1.0, scatter) for scatter in (4.0, 1e4))
    np.testing.assert_array_equal(capped, far)
    assert np.isfinite(far).all()


def test_dead_by_simulation() -> None:
    """Units of one deep network, off for all 64 samples: five binomial standard errors and 15 %."""
    rng = np.random.default_rng(2)
    layers = network([200] * 9)
    runs = [
        initialise(rng, layers, rng.standard_normal((64, 200)), rng.integers(0, 10, 64)).dead
        for _ in range(3)
    ]
    seen = foreseen([200] * 9, 64).dead_on_batch
    assert seen is not None
    for layer in (5, 7):
        share = float(np.mean([run[layer] for run in runs]))
        error = 5 * math.sqrt(share * (1 - share) / 600)
        assert abs(share - seen[layer]) < error + 0.15 * share


def test_independent_samples_rarely_kill() -> None:
    relu = hidden_of("relu")
    assert dead_fraction(relu, 2.0, 0.0, 4) == pytest.approx(0.5**4, rel=1e-6)
    assert dead_fraction(relu, 2.0, 1.0, 1000) == pytest.approx(0.5, abs=0.002)
    assert dead_fraction(relu, 2.0, 0.0, 12) == pytest.approx(0.5**12, rel=1e-6)
    assert dead_fraction(relu, 2.0, 0.0, 30) == 0.0  # a share of 1e-9: no layer has such a unit
    # Two samples of one orthant: 1/4 + arcsin(c) / (2 pi).
    orthant = 0.25 + math.asin(0.9999) / (2 * math.pi)
    assert dead_fraction(relu, 2.0, 0.9999, 2) == pytest.approx(orthant, rel=1e-4)
    assert dead_fraction(hidden_of("tanh"), 2.0, 0.9, 4) == 0.0
    both = 0.5 + math.erfc(6 / 100 / math.sqrt(2)) / 2
    assert dead_fraction(hidden_of("relu6"), 1e4, 0.0, 1) == pytest.approx(both, rel=1e-6)


def test_errors_of_small_and_of_large_logits() -> None:
    _, output = dense_blocks(network([8, 8]), 1.0, 1)
    assert output is not None
    small = error_cosines(output, 1e-9, 0.0)
    assert (small.same_class, small.different_class) == pytest.approx((1.0, -1 / 9), abs=1e-3)
    assert (small.same_class_square, small.different_class_square) == pytest.approx(
        (1.0, 1 / 81), abs=1e-3
    )
    # One-hot p alike in all samples: e = y* - y and y* - y' share y*, so their cosine is 1/2.
    large = error_cosines(output, 1e8, 1.0)
    lengths = (1 - 0.1) * 2
    assert large.different_class == pytest.approx((72 * 1.0) / 90 / lengths, abs=0.01)
    assert np.mean(logit_aligned_share(output, 1e-9, 0.0)) == pytest.approx(1.0, abs=0.02)
    assert np.mean(logit_aligned_share(output, 2.0, 0.0)) > 1.5


def test_real_targets_under_a_softmax_are_trained_on_the_mean_squared_error() -> None:
    """As the runner trains them: Keras's cross-entropy on indices would cut them to classes."""
    task = Task.from_data("auto", "softmax", np.array([0.5, -1.5]), None)
    assert (task.loss, task.target_second_moment) == ("mean_squared_error", 1.25)
    assert (
        Task.from_data("auto", "softmax", np.arange(3), 3).loss == "sparse_categorical_crossentropy"
    )
    assert Task.from_data("huber", "softmax", np.arange(3), 3).loss == "huber"
