"""The scatter over seeds: closed forms for one sample, numpy networks for batches of real data."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.datasets import loading
from gradscope.record import LayerInfo
from gradscope.record.sample_geometry import SampleGeometry, sample_geometry
from gradscope.theory.built_in_layers import built_in_layers
from gradscope.theory.depth_recursion import predict
from gradscope.theory.moments.gaussian_moments import gaussian_moments
from gradscope.theory.plain.batch_pairs import BatchPairs
from gradscope.theory.prediction import Band, Prediction
from tests.theory.initialised import InitialFigures, initialise
from tests.theory.test_depth_recursion import network

TANH_PARAMETERS = {"scale": 2.5, "mode": "fan_in", "distribution": "truncated_normal"}


def foresee(layers: list[LayerInfo], batch: int = 1) -> Prediction:
    return predict(layers, input_second_moment=1.0, batch_norm_epsilon=1e-3, batch_size=batch)


def variance(band: Band | None) -> Any:
    assert band is not None
    return band.deviation**2


@pytest.mark.parametrize(
    ("initializer", "kappa", "first"),
    [("he_normal", 5.0, 2.0), ("orthogonal", 3.0, 0.0)],
)
def test_one_sample_through_relu(initializer: str, kappa: float, first: float) -> None:
    """Var ln q_l = (kappa (l - 1) + Var z^2 / q^2) / n and the mean -1/2 of it (Hanin & Nica)."""
    seen = foresee(network([100] * 11, "relu", initializer))
    expected = (kappa * np.arange(10) + first) / 100
    np.testing.assert_allclose(variance(seen.preactivation_band)[:-1], expected, atol=1e-9)
    if initializer == "he_normal":
        centre = np.log(2.0) - 0.5 * expected
        np.testing.assert_allclose(seen.preactivation_band.centre[:-1], centre, atol=1e-9)  # type: ignore[union-attr]


@pytest.mark.parametrize("initializer", ["lecun_normal", "orthogonal"])
def test_one_sample_through_straight_lines(initializer: str) -> None:
    """kappa = 2 for independent weights; orthogonal ones scatter not at all."""
    seen = foresee(network([64] * 9, "linear", initializer))
    each = 2.0 / 64 if initializer == "lecun_normal" else 0.0
    np.testing.assert_allclose(
        variance(seen.preactivation_band)[:-1], each * np.arange(1, 9), atol=1e-12
    )
    lost = variance(seen.delta_band)[:8]
    assert (lost[0] < 0.5) and (lost[-1] == 0.0)
    if initializer == "orthogonal":  # only the errors of the output scatter
        assert lost[0] < variance(foresee(network([64] * 9, "linear")).delta_band)[0] / 4


def test_a_stable_fixed_point_saturates_the_scatter() -> None:
    """kappa / (n (1 - e^2)) at the fixed point, e the elasticity there."""
    layers = network([96] * 41, "selu", "lecun_normal")
    seen = variance(foresee(layers).activation_band)[39]
    moments, step = gaussian_moments("selu", 1.0), 1e-4
    above, below = (gaussian_moments("selu", 1 + sign * step).second for sign in (1, -1))
    elasticity = (above - below) / (2 * step)
    kappa = moments.fourth / moments.second**2 - 1
    assert seen == pytest.approx(kappa / 96 / (1 - elasticity**2), rel=1e-3)


def test_a_batch_scatters_less_than_a_sample() -> None:
    layers = network([100] * 6)
    one, many = (variance(foresee(layers, batch).preactivation_band) for batch in (1, 64))
    assert np.all(many[:-1] < one[:-1])
    assert many[0] == pytest.approx(2.0 / 100 / 64, rel=1e-9)


def test_norms_of_the_samples_count() -> None:
    """A batch of B samples of variation v^2: ln of its mean scatters by v^2 / B, to first order,

    and a sample's weight in the scatter of the weights by 1 + v^2.
    """
    geometry = SampleGeometry(1.0, norms=(0.8, 1.2), norm_shares=(0.5, 0.5), samples=10**9)
    more = predict(
        network([200, 50, 50]),
        input_second_moment=1.0,
        batch_norm_epsilon=1e-3,
        batch_size=40,
        geometry=geometry,
    )
    plain = variance(foresee(network([200, 50, 50]), 40).preactivation_band)[0]
    assert variance(more.preactivation_band)[0] == pytest.approx(1.04 * plain + 0.04 / 40, rel=5e-3)


def test_a_constant_bias_does_not_scatter() -> None:
    """E z^2 over n units of z = g + b, g ~ N(0, q): variance (2 q^2 + 4 b^2 q) / n."""
    layers = network(
        [100, 50],
        "linear",
        use_bias=True,
        bias_initializer="constant",
        bias_initializer_parameters={"value": 1.5},
    )
    q, square = 2.0, 1.5**2
    expected = (2 * q**2 + 4 * square * q) / (50 * (q + square) ** 2)
    assert variance(foresee(layers).preactivation_band)[0] == pytest.approx(expected)


def test_a_whole_data_set_in_every_batch_leaves_no_sampling() -> None:
    sampling = {
        samples: BatchPairs.from_geometry(SampleGeometry(1.0, samples=samples), 40).sampling
        for samples in (0, 40, 80, 10**9)
    }
    assert sampling == pytest.approx({0: 0.0, 40: 0.0, 80: 0.5 / 40, 10**9: 1 / 40})


def test_sampling_of_a_skewed_law() -> None:
    """Norms 0.5 and 3: Var ln of a batch's mean by the binomial law of how many are large."""
    share, count = 0.5, 16
    geometry = SampleGeometry(1.0, norms=(0.5, 3.0), norm_shares=(1 - share, share), samples=10**12)
    k = np.arange(count + 1)
    weights = np.array([math.comb(count, i) for i in k]) * share**k * (1 - share) ** (count - k)
    logs = np.log((0.5 * (count - k) + 3.0 * k) / count)
    exact = weights @ logs**2 - (weights @ logs) ** 2
    batch = BatchPairs.from_geometry(geometry, count)
    assert batch.log_mean_variance(batch.norms) == pytest.approx(exact, rel=0.01)


def test_forward_and_backward_scatter_go_together() -> None:
    """One sample through tanh, no output layer: large units have small slopes.

    Given the layer below, z of independent normal weights is exactly normal; the gradient is drawn
    as independent of the forward pass. 40000 networks: a standard error of 0.7 %.
    """
    units, count, gain = 120, 40_000, TANH_PARAMETERS["scale"]
    layers = network(
        [units] * 5, "tanh", "variance_scaling", initializer_parameters=TANH_PARAMETERS
    )
    rng = np.random.default_rng(17)
    q, slopes = np.full((count, 1), gain), []
    for _ in range(4):
        value = np.tanh(np.sqrt(q) * rng.standard_normal((count, units)))
        slopes.append(1.0 - value**2)
        q = gain * np.mean(value**2, axis=1, keepdims=True)
    size, logs = np.ones((count, 1)), []
    for slope in slopes[::-1]:
        delta = slope * np.sqrt(size) * rng.standard_normal((count, units))
        size = np.mean(delta**2, axis=1, keepdims=True)
        logs.append(np.log(size[:, 0]))
    seen = variance(foresee(layers[:-1]).delta_band)[0]
    assert seen == pytest.approx(np.var(logs[-1] - logs[0]), rel=0.02)


def test_limits() -> None:
    band = Band(np.array([0.0]), np.array([0.5]))
    low, high = band.limits()
    assert math.log(high[0]) == pytest.approx(2.5758 * 0.5, rel=1e-4)
    assert low[0] == pytest.approx(1 / high[0])
    assert math.log(band.limits(seeds=4)[1][0]) == pytest.approx(2.5758 * 0.25, rel=1e-4)
    assert math.log(band.limits(level=0.95)[1][0]) == pytest.approx(1.95996 * 0.5, rel=1e-4)
    assert band.limits(comparisons=10)[1][0] > high[0]


# Monte Carlo ------------------------------------------------------------------------------------

NETWORKS, BATCH = 50, 16
TANH = {"name": "variance_scaling", "scale": 2.5}
SIMULATED: dict[str, dict[str, Any]] = {
    "relu": {"activation": "relu", "initializer": "he_normal"},
    "relu_dropout_bias": {
        "activation": "relu",
        "initializer": "he_uniform",
        "dropout": 0.2,
        "bias_initializer": {"name": "constant", "value": 0.1},
        "depth": 5,
    },
    "tanh_bias": {
        "activation": "tanh",
        "initializer": TANH,
        "bias_initializer": {"name": "random_normal", "stddev": 0.3},
    },
    "tanh_orthogonal": {"activation": "tanh", "initializer": {"name": "orthogonal", "gain": 1.5}},
    "selu_rectangular": {
        "hidden": [90, 48, 100, 64],
        "activation": "selu",
        "initializer": "lecun_normal",
    },
    "norm_before": {
        "activation": "relu",
        "initializer": "he_normal",
        "batch_norm": "before_activation",
    },
    "norm_after": {
        "activation": "tanh",
        "initializer": "lecun_normal",
        "batch_norm": "after_activation",
    },
}


class Source:
    """A data set with its geometry, loaded once."""

    def __init__(self, name: str, every: int = 1, **parameters: Any) -> None:
        samples = loading.load(name, parameters, "standardize", BATCH)
        self.x, self.y = samples.x.reshape(len(samples.x), -1)[:, ::every], samples.y
        self.geometry = sample_geometry(self.x, self.y, classes=10, batch_size=BATCH)

    def layers(self, model: dict[str, Any]) -> list[LayerInfo]:
        config = api.load_config({"model": model})
        return list(built_in_layers(config, self.x.shape[1:], "classification", 10))

    def foresee(self, layers: list[LayerInfo]) -> Prediction:
        return predict(
            layers,
            input_second_moment=self.geometry.second_moment,
            batch_norm_epsilon=1e-3,
            batch_size=BATCH,
            geometry=self.geometry,
        )

    def networks(self, layers: list[LayerInfo], count: int, seed: int) -> list[InitialFigures]:
        rng, runs = np.random.default_rng(seed), []
        for _ in range(count):
            rows = rng.choice(len(self.x), BATCH, replace=False)
            runs.append(initialise(rng, layers, self.x[rows], self.y[rows]))
        return runs


@pytest.fixture(scope="module")
def images() -> Source:
    return Source("fashion_mini", every=3)  # the kernel of 784 pixels takes long to draw


@pytest.fixture(scope="module")
def gaussian() -> Source:
    return Source("gaussian", features=60, samples=800)


@pytest.mark.parametrize("name", SIMULATED)
def test_numpy_networks_lie_in_their_bands(name: str, images: Source, gaussian: Source) -> None:
    """At most 6 % of (network, layer) pairs leave the 99 % band; z-scores have mean 0, spread 1.

    50 networks with layers that go together: the share has a standard error of about 1.5 %, the
    mean z one of 0.14 and its spread one of 0.1; three of them, and 0.25 for first order in 1 / n.
    """
    shape = {} if "hidden" in SIMULATED[name] else {"depth": 5, "width": 64}
    # Orthogonal weights of 784 features take seconds to draw.
    source = gaussian if name.startswith("norm") or name.endswith("orthogonal") else images
    layers = source.layers({**shape, **SIMULATED[name]})
    prediction = source.foresee(layers)
    assert prediction.outside == prediction.no_band == ""
    runs = source.networks(layers, NETWORKS, seed=3)
    signal, delta = prediction.preactivation_band, prediction.delta_band
    checked = [(np.array([run.delta_relative[:-1] for run in runs]), delta)]
    if name != "norm_before":  # there the signal is what the norm sets
        count = len(prediction.names) - 1
        checked.append((np.array([run.q[:count] for run in runs]), signal))
    for values, band in checked:
        assert band is not None
        z = np.log(values) - band.centre[: values.shape[1]]
        z /= band.deviation[: values.shape[1]]
        assert np.mean(np.abs(z) > 2.5758) < 0.06
        assert np.abs(z.mean(axis=0)).max() < 0.42 + 0.25
        assert np.all(np.abs(np.log(z.std(axis=0))) < 0.35)


def test_a_fault_leaves_the_band(images: Source) -> None:
    """One layer whose weights are twice as large: its signal is the first to leave."""
    layers = images.layers(
        {"depth": 8, "width": 100, "activation": "selu", "initializer": "lecun_normal"}
    )
    band = images.foresee(layers).preactivation_band
    assert band is not None
    at = next(i for i, layer in enumerate(layers) if layer.name == "hidden_4")
    wrong = {"scale": 4.0, "mode": "fan_in", "distribution": "truncated_normal"}
    layers[at] = replace(layers[at], initializer="variance_scaling", initializer_parameters=wrong)
    seen = images.networks(layers, 1, seed=1)[0].q
    low, high = band.limits()
    outside = (seen < low) | (seen > high)
    assert outside.tolist()[:4] == [False, False, False, True]


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_kernel_gradients(activation: str, images: Source) -> None:
    """Ratio of the means over 50 networks, within four standard errors and 12 %."""
    initializer = TANH if activation == "tanh" else "glorot_uniform"
    layers = images.layers(
        {"depth": 4, "width": 64, "activation": activation, "initializer": initializer}
    )
    values = np.array([run.kernel for run in images.networks(layers, NETWORKS, seed=9)])
    seen = values.mean(axis=0) / values[:, -1].mean()
    spread = np.std(np.log(values) - np.log(values[:, -1:]), axis=0)
    expected = images.foresee(layers).kernel_gradient_relative[:-1]
    tolerance = 4 * spread / math.sqrt(NETWORKS) + 0.12
    assert np.all(np.abs(np.log(seen / expected)) < tolerance), (seen, expected)
