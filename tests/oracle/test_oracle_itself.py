"""The oracle is right: finite differences, closed forms and Keras in float64 say so."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from gradscope.record.statistics import STATISTICS
from tests.each_case import each_case
from tests.oracle.activations import (
    ACTIVATIONS,
    SELU_ALPHA,
    SELU_SCALE,
    activate,
    derivative,
    largest_derivative,
)
from tests.oracle.examples import ARCHITECTURES, BATCH, PARAMETERS, make_network
from tests.oracle.numpy_network import (
    BatchNorm,
    DenseLayer,
    Floats,
    Network,
    PassResult,
    batch_norm_statistics,
    distance_to_kink,
    forward,
    rounded_to_float32,
    run,
    second_moment,
    statistics,
    variance,
)

STEP = 1e-5
architectures = pytest.mark.parametrize(
    "architecture", ARCHITECTURES, ids=lambda a: "-".join(map(str, a))
)


def finite_difference(loss_at: Callable[[Floats], float], point: Floats) -> Floats:
    """Central differences of the fourth order."""
    gradient = np.zeros_like(point)
    for where in np.ndindex(point.shape):
        nudge = np.zeros_like(point)
        nudge[where] = STEP
        near = loss_at(point + nudge) - loss_at(point - nudge)
        far = loss_at(point + 2.0 * nudge) - loss_at(point - 2.0 * nudge)
        gradient[where] = (8.0 * near - far) / (12.0 * STEP)
    return gradient


def assert_close(measured: Floats, expected: Floats, relative: float, absolute: float) -> None:
    np.testing.assert_allclose(measured, expected, rtol=relative, atol=absolute)


def with_layer(network: Network, index: int, **changes: object) -> Network:
    layers = list(network.layers)
    layers[index] = replace(layers[index], **changes)
    return replace(network, layers=tuple(layers))


# --- finite differences --------------------------------------------------------------------------


@architectures
def test_delta_agrees_with_a_nudge_of_z(architecture: tuple) -> None:
    network, x, y, masks = make_network(architecture)
    result = run(network, x, y, masks=masks)
    for index, one in enumerate(result.layers):

        def loss_at(offset: Floats, index: int = index) -> float:
            return run(network, x, y, masks=masks, z_offsets={index: offset}).loss

        slope = finite_difference(loss_at, np.zeros_like(one.z))
        assert np.abs(slope).max() > 1e-3
        assert_close(one.delta, slope * BATCH, 1e-6, 1e-9)


@architectures
def test_parameter_gradients_agree_with_finite_differences(architecture: tuple) -> None:
    network, x, y, masks = make_network(architecture)
    result = run(network, x, y, masks=masks)

    def check(gradient: Floats, point: Floats, change: Callable[[Floats], Network]) -> None:
        def loss_at(value: Floats) -> float:
            return run(change(value), x, y, masks=masks).loss

        assert gradient.shape == point.shape
        assert_close(gradient, finite_difference(loss_at, point), 1e-6, 1e-9)

    for i, one in enumerate(result.layers):
        check(
            one.kernel_gradient, one.layer.kernel, lambda v, i=i: with_layer(network, i, kernel=v)
        )
        assert (one.bias_gradient is None) == (one.layer.bias is None)
        if one.layer.bias is not None:
            check(one.bias_gradient, one.layer.bias, lambda v, i=i: with_layer(network, i, bias=v))
        assert (one.batch_norm is None) == (one.layer.batch_norm is None)
        if one.batch_norm is not None:
            norm = one.batch_norm.batch_norm
            for name in ("gamma", "beta"):
                check(
                    getattr(one.batch_norm, f"{name}_gradient"),
                    getattr(norm, name),
                    lambda v, i=i, norm=norm, name=name: with_layer(
                        network, i, batch_norm=replace(norm, **{name: v})
                    ),
                )
    if network.input_batch_norm is not None:
        norm = network.input_batch_norm
        for name in ("gamma", "beta"):
            check(
                getattr(result.input_batch_norm, f"{name}_gradient"),
                getattr(norm, name),
                lambda v, name=name: replace(network, input_batch_norm=replace(norm, **{name: v})),
            )


@each_case("name", ACTIVATIONS)
def test_derivatives_agree_with_finite_differences(name: str) -> None:
    parameters = PARAMETERS.get(name, {})
    z = np.linspace(-6.0, 6.0, 100)  # without 0, where some have a kink

    def phi(offset: float) -> Floats:
        return activate(name, z + offset, parameters)

    h = 1e-4
    slope = (8.0 * (phi(h) - phi(-h)) - (phi(2.0 * h) - phi(-2.0 * h))) / (12.0 * h)
    assert_close(derivative(name, z, parameters), slope, 1e-8, 1e-11)


# --- closed forms --------------------------------------------------------------------------------


@each_case(
    ("name", "parameters", "expected"),
    [
        ("linear", {}, 1.0),
        ("relu", {}, 1.0),
        ("leaky_relu", {"negative_slope": 0.1}, 1.0),
        ("leaky_relu", {"negative_slope": 3.0}, 3.0),
        ("elu", {"alpha": 1.0}, 1.0),
        ("elu", {"alpha": 1.3}, 1.3),
        ("selu", {}, SELU_SCALE * SELU_ALPHA),
        ("gelu", {}, 0.5 * math.erfc(-1.0) + math.exp(-1.0) / math.sqrt(math.pi)),
        ("silu", {}, 0.5 + 2.39935728052 / 4.0),  # where z tanh(z / 2) = 2
        ("tanh", {}, 1.0),
        ("sigmoid", {}, 0.25),
        ("softplus", {}, 1.0),
        ("softsign", {}, 1.0),
    ],
)
def test_largest_derivative(name: str, parameters: dict, expected: float) -> None:
    assert largest_derivative(name, parameters) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", ["gelu", "silu", "mish"])
def test_largest_derivative_is_the_steepest_secant(name: str) -> None:
    z = np.linspace(-20.0, 20.0, 40_001)
    steepest = np.abs(np.diff(activate(name, z, {})) / np.diff(z)).max()
    assert largest_derivative(name, {}) == pytest.approx(steepest, rel=1e-6)


def test_sigmoid_and_tanh_keep_their_relative_accuracy_in_the_tails() -> None:
    z = np.array([-40.0, 40.0])
    assert_close(derivative("sigmoid", z, {}), np.full(2, math.exp(-40.0)), 1e-13, 0.0)
    assert_close(derivative("tanh", z, {}), np.full(2, 4.0 * math.exp(-80.0)), 1e-13, 0.0)


def test_conventions_at_a_kink() -> None:
    slopes = [derivative(name, np.zeros(1), {}).item() for name in ("relu", "elu", "selu")]
    assert slopes == [0.0, 1.0, SELU_SCALE]
    assert derivative("leaky_relu", np.zeros(1), {"negative_slope": 0.1}) == 0.1


def test_selu_keeps_mean_zero_and_variance_one() -> None:
    """What its two constants were made for."""
    z = np.linspace(-40.0, 40.0, 800_001)
    weight = np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi) * (z[1] - z[0])
    a = activate("selu", z, {})
    assert weight @ a == pytest.approx(0.0, abs=1e-8)
    assert weight @ (a * a) == pytest.approx(1.0, abs=1e-8)


def test_a_layer_worked_out_by_hand() -> None:
    hidden = DenseLayer(np.array([[1.0, -1.0]]), np.array([0.0, 1.0]), "relu")
    output = DenseLayer(np.array([[1.0], [2.0]]), None, "linear")
    network = Network((hidden, output))
    x, y = np.array([[2.0], [-1.0]]), np.array([0.0, 3.0])
    # z = [[2, -1], [-1, 2]], a = [[2, 0], [0, 2]], out = [2, 4], error = [2, 1], loss = 5 / 2
    result = run(network, x, y)
    assert result.loss == 2.5
    assert_close(result.layers[1].delta, np.array([[4.0], [2.0]]), 0.0, 0.0)
    assert_close(result.layers[0].delta, np.array([[4.0, 0.0], [0.0, 4.0]]), 0.0, 0.0)
    assert_close(result.layers[0].kernel_gradient, np.array([[4.0, -2.0]]), 0.0, 0.0)
    assert_close(result.layers[0].bias_gradient, np.array([2.0, 2.0]), 0.0, 0.0)
    probe = forward(network, np.array([[2.0], [3.0]]))  # z = [[2, -1], [3, -2]]
    expected = {
        "preactivation_second_moment": 2.5,
        "preactivation_variance": 2.25,
        "activation_mean": 1.0,
        "activation_second_moment": 2.0,
        "activation_variance": 1.0,
        "activation_sample_variance": 1.0,
        "delta_second_moment": 8.0,
        "delta_variance": 4.0,
        "kernel_gradient_second_moment": 10.0,
        "kernel_gradient_variance": 9.0,
        "bias_gradient_second_moment": 4.0,
        "update_ratio": 0.1 * math.sqrt(10.0),
        "dead_fraction": 0.5,
        "zero_fraction": 0.5,
        "derivative_gain": 0.5,
        "nonfinite_count": 0.0,
        "nonfinite_forward_count": 0.0,
        "nonfinite_backward_count": 0.0,
        "underflow_fraction": 0.0,
        "batch_norm_mean_gap": math.nan,
        "batch_norm_variance_ratio": math.nan,
        "weight_second_moment": 1.0,
        "weight_variance": 1.0,
        "batch_norm_gamma_mean": math.nan,
        "batch_norm_gamma_second_moment": math.nan,
        "batch_norm_beta_second_moment": math.nan,
    }
    figures = statistics(result, 0, learning_rate=0.1, probe=probe)
    assert figures == pytest.approx(expected, rel=1e-15, nan_ok=True)
    switched_on = {"example_gradient_square", "gradient_noise_scale"}  # samples one by one
    assert set(figures) == set(STATISTICS) - switched_on
    assert math.isnan(statistics(result, 0)["update_ratio"])
    assert math.isnan(statistics(result, 1)["bias_gradient_second_moment"])


def test_units_and_samples_are_not_mixed_up() -> None:
    network = Network((DenseLayer(np.eye(3), None, "relu"), DenseLayer(np.ones((3, 1)))))
    x = np.array([[4.0, -1.0, -1.0], [2.0, 5.0, -2.0]])  # always on, sometimes on, dead
    result = run(network, x, [0.0, 0.0])
    figures = statistics(result, 0, probe=result)
    assert figures["activation_sample_variance"] == pytest.approx((1.0 + 6.25) / 3.0, rel=1e-15)
    assert figures["dead_fraction"] == pytest.approx(1.0 / 3.0, rel=1e-15)


def test_distance_to_kink() -> None:
    layers = (DenseLayer(np.eye(2), None, "relu"), DenseLayer(np.zeros((2, 1))))
    assert distance_to_kink(forward(Network(layers), [[7.0, -1.0]])) == pytest.approx(0.2)
    assert distance_to_kink(forward(Network(layers[1:]), [[7.0, -1.0]])) == math.inf


def test_batch_norm_worked_out_by_hand() -> None:
    norm = BatchNorm(np.array([2.0]), np.array([1.0]), np.array([1.0]), np.array([3.0]), 1.0)
    network = Network((DenseLayer(np.ones((1, 1))),), norm)
    x, y = np.array([[0.0], [2.0], [4.0], [6.0]]), np.zeros(4)  # mean 3, variance 5, epsilon 1
    result = run(network, x, y)
    one = result.input_batch_norm
    assert (one.mean.item(), one.variance.item()) == (3.0, 5.0)
    assert_close(result.layers[0].z, 2.0 * (x - 3.0) / math.sqrt(6.0) + 1.0, 1e-15, 0.0)
    assert_close(forward(network, x, training=False).output, x, 1e-15, 0.0)  # 2 (x - 1) / 2 + 1
    assert [value.item() for value in one.moved(0.75)] == [1.5, 3.5]
    assert batch_norm_statistics(one) == pytest.approx(
        {
            "batch_norm_mean_gap": 1.0,
            "batch_norm_variance_ratio": 1.5,
            "batch_norm_gamma_mean": 2.0,
            "batch_norm_gamma_second_moment": 4.0,
            "batch_norm_beta_second_moment": 1.0,
        },
        rel=1e-15,
    )


def test_batch_norm_figures_over_features() -> None:
    """The gap is a root mean square, the ratio a geometric mean."""
    norm = BatchNorm(np.ones(2), np.zeros(2), np.array([1.0, -7.0]), np.ones(2), 0.0)
    result = forward(Network((DenseLayer(np.eye(2)),), norm), [[-2.0, -1.0], [2.0, 1.0]])
    assert batch_norm_statistics(result.input_batch_norm) == pytest.approx(
        {
            "batch_norm_mean_gap": 5.0,
            "batch_norm_variance_ratio": 2.0,
            "batch_norm_gamma_mean": 1.0,
            "batch_norm_gamma_second_moment": 1.0,
            "batch_norm_beta_second_moment": 0.0,
        },
        rel=1e-15,
    )


def test_a_signal_of_1e_minus_30_keeps_its_size_and_underflow_is_counted() -> None:
    def delta_of_first(scale: float) -> PassResult:
        output = DenseLayer(np.full((2, 1), scale), None, "linear")
        return run(Network((DenseLayer(np.eye(2)), output)), np.eye(2), [1.0, -1.0])

    faint = statistics(delta_of_first(1e-30), 0)
    assert math.sqrt(faint["delta_second_moment"]) == pytest.approx(2e-30, rel=1e-12)
    assert faint["underflow_fraction"] == 0.0
    assert statistics(delta_of_first(1e-39), 0)["underflow_fraction"] == 1.0


def test_nonfinite_values_are_counted_where_they_stand() -> None:
    network = Network((DenseLayer(np.array([[np.inf, 1.0]]), np.zeros(2), "relu"),))
    network = replace(network, layers=(*network.layers, DenseLayer(np.ones((2, 1)))))
    figures = statistics(run(network, [[1.0], [2.0]], [0.0, 0.0]), 0, learning_rate=1.0)
    assert figures["nonfinite_forward_count"] == 4.0  # one unit of two samples, in z and in a
    # the loss is infinite, and so are both units' delta, two kernel and two bias gradients
    assert figures["nonfinite_backward_count"] == 8.0
    assert figures["nonfinite_count"] == 14.0
    assert math.isnan(figures["preactivation_second_moment"])


def test_two_pass_variance_survives_a_large_mean() -> None:
    values = 1e8 + np.array([-1.0, 0.0, 1.0, 0.0])
    assert variance(values) == 0.5
    assert second_moment(np.array([3e-37, 4e-37])) == pytest.approx(12.5e-74, rel=1e-15)


def test_rounding_to_float32_touches_every_parameter() -> None:
    network, x, y, _ = make_network(ARCHITECTURES[3])
    rounded = rounded_to_float32(network)
    norms = [rounded.input_batch_norm, *(layer.batch_norm for layer in rounded.layers[:-1])]
    arrays = [value for norm in norms for value in vars(norm).values()]
    arrays += [value for layer in rounded.layers for value in (layer.kernel, layer.bias)]
    for value in arrays:
        assert np.asarray(value).dtype == np.float64
        assert np.array_equal(np.float32(value).astype(np.float64), value)
    assert not np.array_equal(network.layers[0].kernel, rounded.layers[0].kernel)
    same = run(rounded, x.astype(np.float32), y).loss
    assert run(network, x, y, float32_values=True).loss == same != run(network, x, y).loss


def test_what_is_not_covered_is_refused() -> None:
    network, x, y, _ = make_network(ARCHITECTURES[0])
    with pytest.raises(ValueError, match="no dropout"):
        run(network, x, y, masks={2: np.ones((BATCH, 3))})
    with pytest.raises(ValueError, match="no loss"):
        run(with_layer(network, 2, activation="relu"), x, np.zeros((BATCH, 3)))
    with pytest.raises(ValueError, match="use run"):
        statistics(forward(network, x), 0)
    with pytest.raises(ValueError, match="placement"):
        DenseLayer(np.eye(2), placement="before")
