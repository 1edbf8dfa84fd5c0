"""The predicted profile against figures known by closed form, and against numpy networks."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.record import LayerInfo
from gradscope.theory.batch_norm.rates import after_norm, before_norm
from gradscope.theory.depth_recursion import predict
from gradscope.theory.prediction import Prediction
from tests.each_case import each_case
from tests.layers import layer_row, with_kind


def network(
    widths: list[int],
    activation: str = "relu",
    initializer: str = "he_normal",
    normalization: str | None = None,
    dropout: float = 0.0,
    **more: Any,
) -> list[LayerInfo]:
    """Dense layers `widths[0] -> ... -> widths[-1]` and a softmax over 10."""
    hidden = [
        layer_row(
            index=i,
            name=f"hidden_{i + 1}",
            kind="Dense",
            role="hidden",
            units=units,
            fan_in=widths[i],
            fan_out=units,
            activation=activation,
            initializer=initializer,
            normalization=normalization,
            dropout=dropout,
            **more,
        )
        for i, units in enumerate(widths[1:])
    ]
    head = replace(
        hidden[0],
        index=len(hidden),
        name="output",
        role="output",
        units=10,
        fan_in=widths[-1],
        fan_out=10,
        activation="softmax",
        activation_parameters={},
        initializer="glorot_uniform",
        initializer_parameters={},
        normalization=None,
        dropout=0.0,
    )
    return [*hidden, head]


def foresee(
    layers: list[LayerInfo], second: float = 1.0, epsilon: float = 1e-3, batch: int = 32
) -> Prediction:
    return predict(layers, input_second_moment=second, batch_norm_epsilon=epsilon, batch_size=batch)


def test_he_relu_keeps_both_ways() -> None:
    seen = foresee(network([784] + [100] * 50), second=0.1124)
    np.testing.assert_allclose(seen.preactivation_second_moment[:-1], 0.2248, rtol=1e-9)
    np.testing.assert_allclose(seen.activation_second_moment[:-1], 0.1124, rtol=1e-9)
    np.testing.assert_allclose(seen.delta_relative[:-1], 1.0, rtol=1e-9)
    np.testing.assert_allclose(seen.backward_gain[:-2], 1.0, rtol=1e-12)
    assert seen.names[0] == "hidden_1"
    assert seen.names[-1] == "output"
    assert seen.outside == ""
    assert any("zero" in text for text in seen.assumptions)


def test_where_the_contract_has_no_value() -> None:
    seen = foresee(network([20, 20, 20, 20]))
    assert np.isnan(seen.forward_gain).tolist() == [True, False, False, False]
    assert np.isnan(seen.backward_gain).tolist() == [False, False, True, True]
    assert np.isnan(seen.delta_relative).tolist() == [False, False, False, True]
    assert seen.delta_relative[-2] == 1.0
    assert np.isnan(seen.activation_second_moment[-1])  # softmax couples its units


def test_glorot_relu_halves_both_ways() -> None:
    seen = foresee(network([256] * 31, initializer="glorot_uniform"))
    np.testing.assert_allclose(seen.forward_gain[1:-1], 0.5, rtol=1e-9)
    np.testing.assert_allclose(seen.backward_gain[:-2], 0.5, rtol=1e-9)
    assert seen.delta_relative[0] == pytest.approx(0.5**29, rel=1e-9)


def test_glorot_sigmoid_loses_more_than_a_factor_sixteen() -> None:
    seen = foresee(network([100] * 21, "sigmoid", "glorot_uniform"))
    assert seen.backward_gain[5] == pytest.approx(0.0557, abs=1e-4)


def test_rectangular_layers() -> None:
    """784-300-100: He's p_1 / p_2 = n_2 v_2 E phi'^2 = 1/3 by geometry."""
    assert foresee(network([784, 300, 100])).backward_gain[0] == pytest.approx(1 / 3)


def test_dropout_gains() -> None:
    seen = foresee(network([64] * 6, dropout=0.2))
    np.testing.assert_allclose(seen.forward_gain[1:-1], 1.25)
    np.testing.assert_allclose(seen.backward_gain[:-2], 1.25)


@pytest.mark.parametrize(
    ("name", "expected"),
    [  # power laws at sigma_w^2 = 1: tanh q_l 2 l, softsign and ELU q_30
        ("tanh", {10: 1.160 / 20, 50: 1.043 / 100, 200: 1.013 / 400}),
        ("softsign", {30: 4.76e-4}),
        ("elu", {30: 8.05e-3}),
    ],
)
def test_power_laws(name: str, expected: dict[int, float]) -> None:
    seen = foresee(network([64] * (max(expected) + 1), name, "lecun_normal"))
    for layer, q in expected.items():
        assert seen.preactivation_second_moment[layer - 1] == pytest.approx(q, rel=1.2e-3), layer


def test_he_gelu_collapses_and_says_that_it_is_unstable() -> None:
    seen = foresee(network([512] * 31, "gelu"))
    q = seen.preactivation_second_moment
    assert (q[29] / q[0]) ** (1 / 29) == pytest.approx(0.643, abs=5e-4)
    assert seen.backward_gain[1] == pytest.approx(0.973, abs=5e-4)
    assert seen.no_band.startswith("unstable fixed point of gelu")
    assert foresee(network([512] * 31)).no_band == ""


RELU_RATES = {8: 1.788, 16: 1.590, 32: 1.522, 64: 1.493, 128: 1.4797, 1000: 1.4685}


@pytest.mark.parametrize(("batch", "rate"), RELU_RATES.items())
def test_batch_norm_before_relu(batch: int, rate: float) -> None:
    seen = foresee(network([256] * 9, normalization="before_activation"), 1.0, 1e-12, batch)
    np.testing.assert_allclose(seen.backward_gain[:-3], rate, atol=5e-4)
    np.testing.assert_allclose(seen.preactivation_second_moment[:-1], 1.0)


@pytest.mark.parametrize("batch", [8, 32, 128])
def test_batch_norm_before_linear(batch: int) -> None:
    """Yang et al. 2019, theorem 7: (B - 2) / (B - 3)."""
    layers = network([256] * 6, "linear", normalization="before_activation")
    rates = foresee(layers, 1.0, 1e-12, batch).backward_gain
    np.testing.assert_allclose(rates[:-3], (batch - 2) / (batch - 3), rtol=1e-9)


@pytest.mark.parametrize(("batch", "rate"), [(8, 1.99), (32, 1.562), (128, 1.489)])
def test_batch_norm_after_relu(batch: int, rate: float) -> None:
    seen = foresee(network([256] * 9, normalization="after_activation"), 1.0, 1e-3, batch)
    np.testing.assert_allclose(seen.backward_gain[2:-3], rate, rtol=8e-3)


@pytest.mark.parametrize("placement", ["before_activation", "after_activation"])
@pytest.mark.parametrize("name", ["tanh", "silu"])
def test_batch_norm_rate_for_large_batches(name: str, placement: str) -> None:
    """B -> infinity: E phi'^2 / Var phi at q = 1 (Yang et al. 2019, section 5).

    LeCun's gain puts z there in both placements.
    """
    layers = network([256] * 5, name, "lecun_normal", placement)
    rate = foresee(layers, 1.0, 1e-12, 4096).backward_gain[1]
    z = np.linspace(-9.0, 9.0, 20_001)
    weights = np.exp(-0.5 * z**2)
    weights /= weights.sum()
    value = ACTIVATIONS[name].value(z, NUMPY_OPS)
    slope = ACTIVATIONS[name].derivative(z, NUMPY_OPS)
    expected = (slope**2 @ weights) / (value**2 @ weights - (value @ weights) ** 2)
    assert rate == pytest.approx(expected, rel=4e-3)


@pytest.mark.parametrize("batch", [8, 32])
@pytest.mark.parametrize("alpha", [-0.3, 0.0, 0.2, 1.0])
def test_closed_averages_against_draws(alpha: float, batch: int) -> None:
    """PReLU in closed form against plain simulation with an explicit Jacobian."""
    rng = np.random.default_rng(5)
    draws = rng.standard_normal((20_000, batch))
    draws -= draws.mean(axis=1, keepdims=True)
    z = draws / np.sqrt(np.mean(draws**2, axis=1, keepdims=True))
    value = ACTIVATIONS["prelu"].value(z, NUMPY_OPS, alpha=alpha)
    d = ACTIVATIONS["prelu"].derivative(z, NUMPY_OPS, alpha=alpha)
    closed = before_norm("prelu", {"alpha": alpha}, 1.0, batch)
    assert np.mean(value**2) == pytest.approx(closed.second, rel=0.02)
    assert np.mean(value[:, 0] * value[:, 1]) == pytest.approx(closed.pair, abs=0.015)
    assert np.mean(d**2) == pytest.approx(closed.derivative_second, rel=0.02)
    center = np.eye(batch) - 1.0 / batch
    kernel = center[None] - z[:400, :, None] * z[:400, None, :] / batch
    own = np.einsum("ia,iaa,ia->i", d[:400], kernel, d[:400])
    everything = np.einsum("ia,iab,ib->i", d[:400], kernel, d[:400])
    for sample, expected in ((own, closed.diagonal), (everything, closed.total)):
        assert abs(sample.mean() - expected) < 5 * sample.std() / 20 + 1e-9


def test_jacobian_of_the_norm_by_differences() -> None:
    """`after_norm` squares an explicit Jacobian: compare with one taken by finite differences."""
    batch, epsilon, q = 8, 0.3, 1.7
    rng = np.random.default_rng(2)
    totals = np.zeros((800, 2))
    for row in totals:
        z = rng.standard_normal(batch) * math.sqrt(q)
        value, d = np.tanh(z), 1 - np.tanh(z) ** 2
        step = 1e-6 * np.eye(batch)
        jacobian = (_norm(value + step, epsilon) - _norm(value - step, epsilon)).T / 2e-6
        product = d[:, None] * (jacobian @ jacobian.T) * d[None, :]
        row[:] = np.trace(product) / batch, (product.sum() - np.trace(product)) / (batch * 7)
    seen = after_norm("tanh", {}, q, correlation=0.0, batch_size=batch, epsilon=epsilon)
    errors = 5 * totals.std(axis=0) / math.sqrt(len(totals))
    assert abs(totals[:, 0].mean() - seen.diagonal) < errors[0]
    assert abs(totals[:, 1].mean() - seen.pair) < errors[1]


def _norm(a: Any, epsilon: float) -> Any:
    return (a - a.mean(-1, keepdims=True)) / np.sqrt(a.var(-1, keepdims=True) + epsilon)


def test_epsilon_matters_for_tiny_weights() -> None:
    """Batch variance 2.6e-4 against Keras's epsilon 1e-3: the norm cannot lift it to 1."""
    weights = {"initializer_parameters": {"stddev": 0.001}}
    layers = network([256] * 6, "linear", "random_normal", "before_activation", **weights)
    seen = foresee(layers, batch=128)
    gain = 256 * 1e-6
    first = gain / (gain + 1e-3) * (1 - 1 / 128)
    assert seen.preactivation_second_moment[0] == pytest.approx(first, rel=0.01)


OUTSIDE = [
    (network([8, 8, 8], initializer="zeros"), "no random weights"),
    (network([8, 8, 8], initializer="constant"), "no random weights"),
    (
        network([8, 8], initializer="random_normal", initializer_parameters={"stddev": 0.0}),
        "no var",
    ),
    (
        network([8, 8], initializer="random_normal", initializer_parameters={"mean": 0.1}),
        "mean 0.1",
    ),
    (network([8, 8], initializer="random_uniform", initializer_parameters={"minval": 0.0}), "mean"),
    (network([8, 8], initializer="mine"), "initializer mine"),
    (network([8, 8], activation="mine"), "activation mine"),
    (network([8, 8], activation="softmax"), "softmax"),
    (network([8, 8], activation="exponential", initializer="ones"), "no random"),
    ([with_kind(network([8, 8])[0], "Conv2D")], "Conv2D"),
    ([replace(network([8, 8])[0], main_path=False)], "paths go around layer hidden_1"),
    ([replace(network([8, 8])[0], fan_in=None)], "shape"),
    ([network([8, 8])[1]], "no hidden layer"),
    ([network([8, 8])[0], network([8, 8, 8], normalization="before_activation")[1]], "others"),
    (
        [layer_row(0, "norm", "LayerNormalization", "normalization"), *network([8, 8])],
        "LayerNormalization",
    ),
    ([layer_row(0, "drop", "AlphaDropout", "structure"), *network([8, 8])], "AlphaDropout"),
]


@each_case(("layers", "reason"), OUTSIDE)
def test_outside_says_why_and_predicts_nothing(layers: list[LayerInfo], reason: str) -> None:
    seen = foresee(layers)
    assert reason in seen.outside
    assert np.isnan(seen.preactivation_second_moment).all()
    assert np.isnan(seen.delta_relative).all()
    assert len(seen.names) == len(seen.backward_gain)


def test_outside_by_numbers() -> None:
    normed = network([8, 8], normalization="after_activation")
    assert "batch norm on 7 samples" in foresee(normed, batch=7).outside
    assert foresee(normed, batch=8).outside == ""
    assert foresee(network([8, 8]), batch=1).outside == ""
    assert "second moment" in foresee(network([8, 8]), second=math.nan).outside
    assert "second moment" in foresee(network([8, 8]), second=0.0).outside
    wild = {"initializer_parameters": {"stddev": 10.0}}
    assert "range" in foresee(network([64] * 400, "relu", "random_normal", **wild)).outside
    assert "exponential" in foresee(network([64] * 9, "exponential")).outside


def test_layers_without_weights_pass() -> None:
    passive = [
        layer_row(0, "flatten", "Flatten", "structure"),
        layer_row(1, "input_norm", "BatchNormalization", "normalization"),
        layer_row(2, "act", "Activation", "structure"),
    ]
    assert foresee([*passive, *network([8, 8])]).outside == ""


# Monte Carlo ------------------------------------------------------------------------------------

WIDTH, BATCH, NETWORKS = 128, 16, 8


def simulate(
    rng: np.random.Generator, layers: list[LayerInfo], epsilon: float
) -> tuple[list[float], list[float]]:
    """One float64 network, one batch, independent cotangents: ln q and ln p per hidden layer."""
    x = rng.standard_normal((BATCH, int(layers[0].fan_in or 0)))
    kept: list[tuple[Any, ...]] = []
    for layer in layers[:-1]:
        entry, fan_in = ACTIVATIONS[str(layer.activation)], int(layer.fan_in or 0)
        scale = {"he_normal": 2.0, "lecun_normal": 1.0}[str(layer.initializer)]
        w = rng.standard_normal((fan_in, int(layer.units or 0))) * math.sqrt(scale / fan_in)
        u = x @ w
        z = _norm(u.T, epsilon).T if layer.normalization == "before_activation" else u
        a = entry.value(z, NUMPY_OPS)
        x = _norm(a.T, epsilon).T if layer.normalization == "after_activation" else a
        mask = (rng.random(x.shape) >= layer.dropout) / (1 - layer.dropout)
        kept.append((w, u, z, a, mask, layer.normalization, entry.derivative(z, NUMPY_OPS)))
        x = x * mask
    delta, deltas = rng.standard_normal(x.shape), []
    for w, u, _, a, mask, placement, slope in reversed(kept):
        delta = delta * mask
        if placement == "after_activation":
            delta = pull_back(delta, a, epsilon)
        delta = delta * slope
        deltas.append(float(np.mean(delta**2)))
        if placement == "before_activation":
            delta = pull_back(delta, u, epsilon)
        delta = delta @ w.T
    signal = [math.log(np.mean(z**2)) for _, _, z, *_ in kept]
    return signal, [math.log(value) for value in reversed(deltas)]


def pull_back(delta: Any, u: Any, epsilon: float) -> Any:
    """Ioffe & Szegedy 2015, section 3: the gradient through batch norm."""
    s = np.sqrt(u.var(axis=0) + epsilon)
    hat = (u - u.mean(axis=0)) / s
    return (delta - delta.mean(axis=0) - hat * (delta * hat).mean(axis=0)) / s


SIMULATED = [
    network([WIDTH] * 7),
    network([100, 128, 64, 128, 200, 100, 128]),
    network([WIDTH] * 7, dropout=0.3),
    network([WIDTH] * 7, "tanh", "lecun_normal"),
    network([WIDTH] * 7, "selu", "lecun_normal"),
    network([WIDTH] * 5, "gelu"),
    network([WIDTH] * 5, "sigmoid", "lecun_normal"),
    network([WIDTH] * 7, normalization="before_activation"),
    network([WIDTH] * 7, "tanh", "lecun_normal", "before_activation"),
    network([WIDTH] * 7, "leaky_relu", "he_normal", "before_activation", 0.2),
    network([100, 128, 64, 128, 200, 100, 128], "relu", "he_normal", "before_activation"),
    network([WIDTH] * 7, normalization="after_activation"),
    network([100, 128, 64, 128, 200, 100, 128], "selu", "lecun_normal", "after_activation", 0.2),
]


def label(layers: list[LayerInfo]) -> str:
    first = layers[0]
    square = "" if len({layer.units for layer in layers[:-1]}) == 1 else "-rectangular"
    return f"{first.activation}-{first.normalization}-dropout{first.dropout}{square}"


@pytest.mark.parametrize("layers", SIMULATED, ids=label)
def test_numpy_networks_agree(layers: list[LayerInfo]) -> None:
    """Every step ln q_(l+1) - ln q_l and ln p_l - ln p_(l+1), averaged over networks.

    Tolerance: four standard errors of the mean over networks, and the bias of a finite width n:
    kappa / (2 n) per layer with kappa <= 5 (log of a mean against mean of a log) without batch
    norm, B / n times 4 % with it; 1.5 % for the dependence of wide tails under batch norm.
    """
    rng = np.random.default_rng(77)
    runs = [simulate(rng, layers, 1e-3) for _ in range(NETWORKS)]
    seen = foresee(layers, batch=BATCH)
    narrowest = min(int(layer.units or 0) for layer in layers[:-1])
    bias = 0.5 * 5 / narrowest if layers[0].normalization is None else 0.04 * BATCH / narrowest
    bias += 0.015 if layers[0].normalization else 0.0
    steps_q = np.diff([run[0] for run in runs], axis=1)
    steps_p = -np.diff([run[1] for run in runs], axis=1)
    expected_q = np.log(seen.forward_gain[1:-1])
    expected_p = np.log(seen.backward_gain[:-2])
    for steps, expected in ((steps_q, expected_q), (steps_p, expected_p)):
        error = steps.std(axis=0, ddof=1) / math.sqrt(NETWORKS)
        assert np.all(np.abs(steps.mean(axis=0) - expected) < 4 * error + bias)
        slope = steps.mean(axis=1)
        tight = 3.5 * slope.std(ddof=1) / math.sqrt(NETWORKS) + bias
        assert abs(slope.mean() - expected.mean()) < tight
    first = np.mean([run[0][0] for run in runs])
    assert first == pytest.approx(math.log(seen.preactivation_second_moment[0]), abs=0.06)
