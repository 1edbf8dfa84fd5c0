"""Every statistic of the traced step against a float64 numpy pass written from the maths."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope.record import STATISTICS
from tests.oracle import numpy_network as oracle
from tests.runner.configs import small
from tests.runner.measuring import rounding

pytestmark = pytest.mark.tensorflow
NAMES = list(STATISTICS)
RELATIVE = 1e-5

CASES = {
    "relu": {"activation": "relu"},
    "tanh, glorot": {"activation": "tanh", "initializer": "glorot_uniform"},
    "sigmoid": {"activation": "sigmoid", "initializer": "glorot_normal"},
    "elu": {"activation": {"name": "elu", "alpha": 1.3}},
    "selu": {"activation": "selu", "initializer": "lecun_normal"},
    "leaky": {"activation": {"name": "leaky_relu", "negative_slope": 0.125}},
    "gelu": {"activation": "gelu"},
    "silu": {"activation": "silu"},
    "mish": {"activation": "mish"},
    "softplus": {"activation": "softplus"},
    "softsign": {"activation": "softsign"},
    "linear": {"activation": "linear", "initializer": "orthogonal"},
    "relu, no bias": {"activation": "relu", "use_bias": False},
    "relu, norm before": {"activation": "relu", "batch_norm": "before_activation"},
    "tanh, norm before, input": {
        "activation": "tanh",
        "batch_norm": {"placement": "before_activation", "input": True, "epsilon": 0.01},
    },
    "relu, norm after, input": {
        "activation": "relu",
        "batch_norm": {"placement": "after_activation", "input": True, "momentum": 0.9},
    },
    "elu, norm after": {"activation": "elu", "batch_norm": "after_activation"},
    "every second normed": {
        "activation": "tanh",
        "batch_norm": {"placement": "before_activation", "every": 2},
    },
    "deep relu": {"hidden": [9] * 12, "activation": "relu"},
}


def _norm(layer: Any) -> oracle.BatchNorm:
    gamma, beta, mean, variance = (np.asarray(w, np.float64) for w in layer.get_weights())
    return oracle.BatchNorm(gamma, beta, mean, variance, layer.epsilon)


def _twin(experiment: Any) -> oracle.Network:
    """The oracle's network with the experiment's present weights."""
    layers = []
    by_name = {layer.name: layer for layer in experiment.model.layers}
    for info in _weighted(experiment):
        norm = by_name.get(f"{info.name}_batch_norm")
        dense = by_name[info.name]
        layers.append(
            oracle.DenseLayer(
                np.asarray(dense.kernel, np.float64),
                np.asarray(dense.bias, np.float64) if info.use_bias else None,
                info.activation,
                info.activation_parameters if info.activation in ("elu", "leaky_relu") else {},
                _norm(norm) if norm else None,
                info.normalization or "before_activation",
            )
        )
    first = by_name.get("input_batch_norm")
    return oracle.Network(tuple(layers), _norm(first) if first else None)


def _weighted(experiment: Any) -> list[Any]:
    """The rows of hidden and output layers, in depth order."""
    return [row for row in experiment.sites.layers if row.role in ("hidden", "output")]


def _perturb(experiment: Any, seed: int) -> None:
    """Move biases, gammas, betas and moving statistics off their special initial values."""
    random = np.random.default_rng(seed)
    for weight in experiment.model.weights:
        name = weight.path.rsplit("/", 1)[-1]
        if name in ("bias", "beta", "moving_mean"):
            weight.assign(random.normal(0, 0.3, weight.shape).astype(np.float32))
        elif name in ("gamma", "moving_variance"):
            weight.assign(random.uniform(0.5, 1.5, weight.shape).astype(np.float32))


def _one_step(experiment: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    x, y, weights = next(experiment.feed.iterate())
    rows, scalars = experiment.chunk([(x, y, weights)], 0)
    return rows[0], np.asarray(x, np.float64), y, float(scalars[0, 0])


def _experiment(model: dict[str, Any], seed: int, **sections: Any) -> Any:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small(model, seed=seed, **sections)
    return Experiment(config, workload.from_config(config))


@functools.cache
def _case(case: str, jit: str) -> tuple[Any, np.ndarray, oracle.PassResult, float]:
    """One step of the network: what was traced and measured, the oracle's pass, and the loss."""
    experiment = _experiment(CASES[case], seed=5, training={"jit": jit})
    _perturb(experiment, seed=6)
    twin = _twin(experiment)
    measured, x, y, loss = _one_step(experiment)
    return experiment, measured, oracle.run(twin, x, y), loss


@pytest.mark.parametrize(
    ("case", "jit"),
    [
        *((case, "off") for case in CASES),
        ("tanh, norm before, input", "on"),
    ],
)
def test_every_statistic_of_a_step_is_the_oracle_s(
    case: str, jit: str, runner_settings: Any
) -> None:
    experiment, measured, result, loss = _case(case, jit)
    rate = 0.01
    # Nearer to a kink, one float32 rounding moves a derivative by its whole jump.
    assert oracle.distance_to_kink(result) > 1e-5, "choose another seed"
    assert loss == pytest.approx(result.loss, rel=RELATIVE)
    for place, info in enumerate(_weighted(experiment)):
        wanted = oracle.statistics(result, place, learning_rate=rate)
        for name, value in wanted.items():
            if name == "dead_fraction" or name in oracle.BATCH_NORM:
                continue  # the probe's, and rows of their own: below
            if name == "bias_gradient_second_moment" and info.normalization == "before_activation":
                continue  # zero by symmetry: what is measured is rounding
            tolerance = 1e-4 if name == "update_ratio" else RELATIVE
            # A mean near 0 is the difference of values that float32 rounds.
            terms = rounding(name, wanted) if name == "activation_mean" else None
            assert measured[NAMES.index(name), info.index] == pytest.approx(
                value, rel=tolerance, abs=terms, nan_ok=True
            ), (info.name, name)


@pytest.mark.parametrize("case", [case for case in CASES if "norm" in case])
def test_batch_norm_is_compared_with_the_moving_statistics_before_the_step(
    case: str, runner_settings: Any
) -> None:
    experiment, measured, result, _ = _case(case, "off")
    passes = [result.input_batch_norm, *(layer.batch_norm for layer in result.layers)]
    present = [one for one in passes if one is not None]
    sites = experiment.sites.batch_norms
    assert len(present) == len(sites) > 0
    for site, one in zip(sites, present, strict=True):
        for name, value in oracle.batch_norm_statistics(one).items():
            found = measured[NAMES.index(name), site.index]
            assert found == pytest.approx(value, rel=RELATIVE), (site.layer.name, name)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ({"activation": "tanh", "hidden": [5, 4]}, {}),
        ({"activation": "gelu", "hidden": [5, 4], "batch_norm": "before_activation"}, {}),
    ],
    ids=["plain", "batch norm"],
)
def test_gradients_are_the_finite_differences_of_the_loss(
    model: dict[str, Any], data: dict[str, Any], runner_settings: Any
) -> None:
    experiment = _experiment(model, seed=5, data={"features": 6} | data)
    _perturb(experiment, seed=6)
    twin = _twin(experiment)
    measured, x, y, _ = _one_step(experiment)
    step = 1e-5
    for place, site in enumerate(_weighted(experiment)):
        units = twin.layers[place].kernel.shape[1]
        delta = np.zeros((len(x), units))
        for at in np.ndindex(*delta.shape):
            offset = np.zeros_like(delta)
            offset[at] = step
            up = oracle.run(twin, x, y, z_offsets={place: offset}).loss
            down = oracle.run(twin, x, y, z_offsets={place: -offset}).loss
            delta[at] = (up - down) / (2 * step) * len(x)
        found = measured[NAMES.index("delta_second_moment"), site.index]
        assert found == pytest.approx(np.mean(delta**2), rel=RELATIVE)
        gradient = np.zeros_like(twin.layers[place].kernel)
        for at in np.ndindex(*gradient.shape):
            gradient[at] = _slope(twin, place, at, x, y, step)
        found = measured[NAMES.index("kernel_gradient_second_moment"), site.index]
        assert found == pytest.approx(np.mean(gradient**2), rel=RELATIVE)
        found = measured[NAMES.index("kernel_gradient_variance"), site.index]
        assert found == pytest.approx(np.var(gradient), rel=RELATIVE)


def _slope(
    twin: oracle.Network, place: int, at: tuple[int, ...], x: Any, y: Any, step: float
) -> float:
    kernel = twin.layers[place].kernel
    start = kernel[at]
    losses = []
    for sign in (1, -1):
        kernel[at] = start + sign * step
        losses.append(oracle.run(twin, x, y).loss)
    kernel[at] = start
    return (losses[0] - losses[1]) / (2 * step)


@pytest.mark.parametrize("exponent", [-30, -18, 12])
def test_delta_keeps_its_size_over_the_range_of_float32(
    exponent: int, runner_settings: Any
) -> None:
    """delta's rms of 1e-30 is reported as 1e-30: squares in float32 would be 0 from 1e-23 on."""
    depth, width = 4, 8
    per_layer = 10.0 ** (exponent / depth)
    model = {
        "hidden": [width] * (depth + 1),
        "activation": "linear",
        "initializer": {"name": "random_normal", "stddev": per_layer / width**0.5},
        "use_bias": False,
    }
    data = {"features": 5, "classes": 2}
    experiment = _experiment(model, seed=5, data=data)
    twin = _twin(experiment)
    measured, x, y, _ = _one_step(experiment)
    result = oracle.run(twin, x, y)
    row = measured[NAMES.index("delta_second_moment")]
    weighted = _weighted(experiment)
    first, last = weighted[0].index, weighted[depth].index
    assert np.log10(row[first] / row[last]) / 2 == pytest.approx(exponent, abs=2.0)
    for place, site in enumerate(weighted):
        wanted = oracle.second_moment(result.layers[place].delta)
        assert row[site.index] == pytest.approx(wanted, rel=RELATIVE)


def test_dead_units_are_those_that_the_oracle_finds_on_the_same_probe(runner_settings: Any) -> None:
    from gradscope.record.builder import RecordBuilder

    model = {"hidden": [30, 30, 30], "activation": "relu", "bias_initializer": "zeros"}
    experiment = _experiment(model, seed=5)
    for info in _weighted(experiment)[:-1]:
        bias = np.zeros(info.units, np.float32)
        bias[: 7 + info.index] = -100.0
        experiment.model.get_layer(info.name).bias.assign(bias)
    twin = _twin(experiment)
    builder = RecordBuilder()
    builder.begin(experiment.beginning())
    experiment.train(builder)
    record = builder.build("complete", "", 0.0)
    assert record is not None
    x = np.asarray(experiment.feed.probe(experiment.config.training.probe_samples)[0], np.float64)
    probe = oracle.forward(twin, x)
    for place, site in enumerate(_weighted(experiment)[:-1]):
        wanted = oracle.dead_fraction(probe.layers[place])
        assert record.series["dead_fraction"][0, site.index] == wanted
        assert wanted >= (7 + site.index) / 30


def test_prelu_is_measured_with_its_trained_slope(runner_settings: Any) -> None:
    model = {"activation": {"name": "prelu", "alpha": 0.3}}
    experiment = _experiment(model, seed=5)
    random = np.random.default_rng(1)
    first = _weighted(experiment)[0]
    layer = experiment.model.get_layer(f"{first.name}_activation")
    alpha = random.uniform(0.1, 0.6, layer.alpha.shape).astype(np.float32)
    layer.alpha.assign(alpha)
    kernel = np.asarray(experiment.model.get_layer(first.name).kernel, np.float64)
    measured, x, _, _ = _one_step(experiment)
    z = x @ kernel
    a = np.where(z > 0, z, alpha.astype(np.float64) * z)
    slope = np.where(z > 0, 1.0, alpha.astype(np.float64))
    assert measured[NAMES.index("activation_second_moment"), first.index] == pytest.approx(
        np.mean(a**2), rel=RELATIVE
    )
    assert measured[NAMES.index("derivative_gain"), first.index] == pytest.approx(
        np.mean(slope), rel=RELATIVE
    )


def test_no_share_of_a_slope_that_has_no_largest() -> None:
    model = {"hidden": [9, 9], "activation": "exponential", "initializer": "lecun_normal"}
    record = gradscope.run({"model": model, "data": {"name": "blobs"}, "training": {"steps": 2}})
    assert np.isnan(record.series["derivative_gain"]).all()
    hidden = record.series["activation_second_moment"][:, list(record.indices("hidden"))]
    assert np.isfinite(hidden).all()
