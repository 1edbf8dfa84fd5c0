"""Where theory gives figures but no band, it says so and why; everywhere else it gives one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.activations import ACTIVATIONS
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import LayerInfo
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.depth_recursion import predict
from gradscope.theory.prediction import Prediction
from gradscope.theory.scope import dense_blocks
from gradscope.theory.validity import norm_instability
from tests.each_case import each_case
from tests.theory.test_depth_recursion import network


def foresee(layers: list[LayerInfo], batch: int = 32, **geometry: Any) -> Prediction:
    return predict(
        layers,
        input_second_moment=1.0,
        batch_norm_epsilon=1e-3,
        batch_size=batch,
        geometry=SampleGeometry(1.0, **geometry),
    )


BEFORE, AFTER = "before_activation", "after_activation"
UNEQUAL = {"norms": (0.2, 1.8), "norm_shares": (0.5, 0.5)}
WITHOUT = [
    (network([100] * 31, "gelu"), 32, {}, "unstable fixed point of gelu"),
    (network([100] * 31, "silu"), 32, {}, "unstable fixed point of silu"),
    (network([100] * 31, "mish"), 32, {}, "unstable fixed point of mish"),
    (network([100] * 11, "tanh", "glorot_uniform"), 32, {}, "power laws"),
    (network([100] * 11, "softsign", "lecun_normal"), 32, {}, "power laws"),
    (network([100] * 11, "elu", "lecun_normal"), 32, {}, "power laws"),
    (network([100] * 11, normalization=BEFORE), 32, {}, "at most a quarter"),
    (network([100] * 3, normalization=AFTER), 12, {}, "ruled by rare batches"),
    (network([100] * 11, normalization=AFTER), 7, {}, "batch norm on 7 samples"),
    (network([200] * 4, normalization=BEFORE), 32, UNEQUAL, "samples of very different norm"),
    (network([200] * 3, "silu", "he_normal", BEFORE), 32, {}, "norms grow"),
    (network([8] * 61), 1, {}, "depth against width"),
]


@each_case(("layers", "batch", "geometry", "reason"), WITHOUT)
def test_no_band_and_why(
    layers: list[LayerInfo], batch: int, geometry: dict[str, Any], reason: str
) -> None:
    seen = foresee(layers, batch, **geometry)
    assert reason in (seen.no_band or seen.outside)
    assert seen.preactivation_band is seen.activation_band is seen.delta_band is None
    if seen.no_band:  # the figures of infinite width stay
        assert np.isfinite(seen.preactivation_second_moment).all()


WITH = [
    network(
        [100] * 11,
        "tanh",
        "lecun_normal",
        use_bias=True,
        bias_initializer="random_normal",
        bias_initializer_parameters={"stddev": 0.3},
    ),
    network([100] * 4, "gelu"),
    network([100] * 31, "tanh", "he_normal"),
    network([100] * 31, "tanh", "variance_scaling", initializer_parameters={"scale": 0.5}),
    network([784, 100, 100], "tanh", "glorot_uniform"),
    network([128] * 11, normalization=BEFORE),
    network([128] * 4, "tanh", "lecun_normal", AFTER),
    network([100] * 21, dropout=0.2),
]


def test_layers_that_contract_do_not_excuse_those_that_amplify() -> None:
    calm = network([100] * 11, "tanh", "he_normal")[:-1]
    layers = [*calm, *network([100] * 31, "gelu")]
    layers = [replace(layer, index=i, name=f"layer_{i}") for i, layer in enumerate(layers)]
    assert "unstable fixed point of gelu" in foresee(layers).no_band


@pytest.mark.parametrize("stddev", [1e-10, 1e10])
def test_signals_whose_squares_no_double_holds_are_outside_theory(stddev: float) -> None:
    initializer = {"initializer": "random_normal", "initializer_parameters": {"stddev": stddev}}
    layers = [replace(layer, **initializer) for layer in network([10] * 11)]
    assert "leaves the range of numbers" in foresee(layers).outside


@pytest.mark.parametrize("layers", WITH)
def test_a_band(layers: list[LayerInfo]) -> None:
    seen = foresee(layers)
    assert seen.no_band == seen.outside == ""
    assert seen.preactivation_band is not None
    assert seen.delta_band is not None
    hidden = len(layers) - 1
    assert np.isfinite(seen.preactivation_band.deviation[:hidden]).all()
    assert seen.delta_band.deviation[hidden - 1] == 0.0


@pytest.mark.parametrize(
    ("name", "growth"),
    [("gelu", 1.062), ("silu", 1.101), ("softplus", 1.056), ("relu", 1.0), ("elu", 0.860)],
)
def test_batch_norm_and_the_norms_of_samples(name: str, growth: float) -> None:
    """lambda_L of the project's facts, B -> infinity."""
    block = dense_blocks(network([8, 8], name, "lecun_normal", BEFORE), 1.0, 32)[0][0]
    assert norm_instability(block, 1.0) == pytest.approx(growth, abs=1.5e-3)


HIDDEN = [name for name, entry in ACTIVATIONS.items() if entry.hidden]
SEEDED = [name for name, entry in INITIALIZERS.items() if entry.seeded]


@each_case(
    ("name", "placement"),
    [(name, None) for name in HIDDEN]
    + [(name, place) for name in ("relu6", "hard_silu") for place in (BEFORE, AFTER)],
)
def test_every_activation_has_figures_or_a_reason(name: str, placement: str | None) -> None:
    seen = foresee(network([96, 96, 96], name, ACTIVATIONS[name].initializer, placement), 24)
    if seen.outside:
        assert np.isnan(seen.preactivation_second_moment).all()
        assert name == "exponential"
        return
    assert np.all(seen.preactivation_second_moment > 0)
    assert np.all(seen.activation_variance[:-1] > -1e-12)
    assert np.isfinite(seen.kernel_gradient_relative[:-1]).all()
    assert seen.no_band or seen.preactivation_band is not None


@each_case("name", SEEDED)
def test_every_initializer_has_its_forward_gain(name: str) -> None:
    """q = fan_in Var w E x^2, with Var w from the catalog (tested against Keras's own draws)."""
    entry = INITIALIZERS[name]
    seen = foresee(network([50, 80], "tanh", name))
    expected = 50 * entry.variance(50, 80, **entry.complete({}))
    assert seen.preactivation_second_moment[0] == pytest.approx(expected)
