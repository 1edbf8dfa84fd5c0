"""Convolutions: every statistic against the complex step on loops over the kernel's places."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.oracle import layer_maths as maths
from tests.runner.measuring import Case, absent, compare, head, inputs, sequential, step, stirred
from tests.runner.measuring import targets as drawn

pytestmark = pytest.mark.tensorflow


def conv(kind: str, shape: tuple[int, ...], size: Any, activation: str, **options: Any) -> Case:
    """A convolution with `options` of Keras between an input of `shape` and the head."""
    rank = len(shape) - 1
    many = {key: _each(options.get(key, 1), rank) for key in ("strides", "dilation_rate")}

    def network(t: Any, w: Any, x: Any) -> Any:
        z = maths.convolution(
            x,
            w["conv/kernel"],
            many["strides"],
            many["dilation_rate"],
            options.get("padding", "valid"),
            options.get("groups", 1),
        )
        return head(t, w, t.weighted("conv", z + w["conv/bias"], activation))

    def layer(keras_layers: Any) -> Any:
        return getattr(keras_layers, kind)(4, size, activation=activation, name="conv", **options)

    return Case(sequential(layer, shape=shape), network, inputs(*shape), silent=("flat",))


def depthwise(
    kind: str, shape: tuple[int, ...], size: Any, activation: str, **options: Any
) -> Case:
    rank = len(shape) - 1
    strides, padding = _each(options.get("strides", 1), rank), options.get("padding", "valid")

    def network(t: Any, w: Any, x: Any) -> Any:
        z = maths.depthwise(x, w["conv/kernel"], strides, _each(1, rank), padding)
        return head(t, w, t.weighted("conv", z + w["conv/bias"], activation))

    def layer(keras_layers: Any) -> Any:
        return getattr(keras_layers, kind)(
            size, depth_multiplier=2, activation=activation, name="conv", **options
        )

    return Case(sequential(layer, shape=shape), network, inputs(*shape), silent=("flat",))


def separable(kind: str, shape: tuple[int, ...], size: Any, activation: str) -> Case:
    ones = _each(1, len(shape) - 1)

    def network(t: Any, w: Any, x: Any) -> Any:
        between = maths.depthwise(x, w["conv/depthwise_kernel"], ones, ones, "same")
        z = maths.convolution(between, w["conv/pointwise_kernel"], ones, ones) + w["conv/bias"]
        kernels = ("conv/depthwise_kernel", "conv/pointwise_kernel")
        return head(t, w, t.layer("conv", z, activation, kernels=kernels, bias="conv/bias"))

    def layer(keras_layers: Any) -> Any:
        return getattr(keras_layers, kind)(
            4, size, padding="same", activation=activation, name="conv"
        )

    return Case(sequential(layer, shape=shape), network, inputs(*shape), silent=("flat",))


def transposed(kind: str, shape: tuple[int, ...], size: Any, strides: int, activation: str) -> Case:
    def network(t: Any, w: Any, x: Any) -> Any:
        z = maths.transposed(x, w["conv/kernel"], _each(strides, len(shape) - 1)) + w["conv/bias"]
        return head(t, w, t.weighted("conv", z, activation))

    def layer(keras_layers: Any) -> Any:
        return getattr(keras_layers, kind)(
            3, size, strides=strides, activation=activation, name="conv"
        )

    return Case(sequential(layer, shape=shape), network, inputs(*shape), silent=("flat",))


def _each(value: Any, rank: int) -> tuple[int, ...]:
    return (value,) * rank if isinstance(value, int) else tuple(value)


CASES = {
    "1d": conv("Conv1D", (6, 2), 3, "tanh"),
    "1d, stride, same": conv("Conv1D", (7, 2), 3, "relu", strides=2, padding="same"),
    "1d, dilated, causal": conv("Conv1D", (6, 2), 2, "linear", dilation_rate=2, padding="causal"),
    "2d, stride": conv("Conv2D", (5, 4, 2), (3, 2), "relu", strides=(2, 1)),
    "2d, groups": conv("Conv2D", (4, 4, 4), 2, "tanh", groups=2),
    "2d, dilated": conv("Conv2D", (5, 5, 1), 2, "elu", dilation_rate=(2, 1)),
    "3d": conv("Conv3D", (3, 3, 2, 2), 2, "relu"),
    "depthwise 1d": depthwise("DepthwiseConv1D", (6, 2), 3, "relu", strides=2),
    "depthwise 2d": depthwise("DepthwiseConv2D", (4, 4, 2), 3, "tanh", padding="same"),
    "separable 1d": separable("SeparableConv1D", (5, 2), 3, "relu"),
    "separable 2d": separable("SeparableConv2D", (3, 3, 2), 2, "tanh"),
    "transpose 1d": transposed("Conv1DTranspose", (4, 2), 3, 2, "relu"),
    "transpose 2d": transposed("Conv2DTranspose", (2, 3, 2), 2, 3, "tanh"),
    "transpose 3d": transposed("Conv3DTranspose", (2, 2, 2, 1), 2, 1, "linear"),
}


@pytest.mark.parametrize("case", CASES)
def test_every_statistic_is_the_oracle_s(case: str, runner_settings: Any) -> None:
    measured, _ = compare(CASES[case])
    info = measured.layer("conv")
    assert info.role == "hidden"
    assert info.use_bias
    assert info.unmeasured == {}


FANS = {  # by counting: inputs behind each output value, outputs made of each input value
    "1d": (6, 12),
    "2d, groups": (8, 8),
    "3d": (16, 32),
    "depthwise 2d": (9, 18),
    "separable 2d": (None, None),
    "transpose 1d": (6, 9),
}


@pytest.mark.parametrize("case", FANS)
def test_fans_count_what_an_output_is_made_of(case: str, runner_settings: Any) -> None:
    from gradscope.runner.step import measured_step

    sites = measured_step.survey_model(CASES[case].build(), CASES[case].x)
    assert (sites.layers[0].fan_in, sites.layers[0].fan_out) == FANS[case]


def test_a_dead_channel_is_dead_at_every_place(runner_settings: Any) -> None:
    case = CASES["2d, stride"]
    model = stirred(case.build())
    bias = np.array([-99.0, 0.1, -99.0, 0.2], np.float32)
    model.get_layer("conv").bias.assign(bias)
    measured = step(model, case.x, drawn(model, case.x))
    assert measured.figures["conv"]["dead_fraction"] == 0.5


def test_channels_first_has_its_units_on_the_second_axis(runner_settings: Any) -> None:
    """On a CPU TensorFlow itself refuses all but grouped convolutions in this layout."""
    first, last = (
        sequential(
            lambda layers, form=form: layers.Conv2D(
                4, 2, groups=2, activation="relu", data_format=form, name="conv"
            ),
            shape=shape,
        )
        for form, shape in (("channels_first", (2, 5, 4)), ("channels_last", (5, 4, 2)))
    )
    x = inputs(5, 4, 2)
    one, other = stirred(last()), stirred(first())
    one.get_layer("conv").bias.assign([0.1, -99.0, 0.2, 0.1])
    other.set_weights(one.get_weights())
    wide = step(one, x, drawn(one, x))
    tall = step(other, x.transpose(0, 3, 1, 2), drawn(one, x))
    assert tall.layer("conv").units == wide.layer("conv").units == 4
    for name in ("preactivation_second_moment", "zero_fraction", "dead_fraction"):
        assert tall.figures["conv"][name] == pytest.approx(wide.figures["conv"][name], rel=1e-6)
    assert absent(tall) == absent(wide)
