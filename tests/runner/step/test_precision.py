"""Half precision and far ends of float32: figures of the values as they are, scales undone."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.runner.measuring import BATCH, Measured, inputs, sequential, step, stirred
from tests.runner.measuring import targets as drawn

pytestmark = pytest.mark.tensorflow
BACKWARD = (
    "delta_second_moment",
    "delta_variance",
    "kernel_gradient_second_moment",
    "kernel_gradient_variance",
    "bias_gradient_second_moment",
)
FORWARD = (
    "preactivation_second_moment",
    "preactivation_variance",
    "activation_second_moment",
    "activation_variance",
    "activation_sample_variance",
    "zero_fraction",
)


def mlp(dtype: str, activation: str = "relu") -> Any:
    """Two Dense layers, the activation of the first one a layer of its own in float32."""
    import keras

    layers = keras.layers
    given = keras.Input((5,))
    h = layers.Dense(6, name="first", dtype=dtype)(given)
    h = layers.Activation("tanh", name="act", dtype="float32")(h)
    h = layers.Dense(6, activation=activation, name="second", dtype=dtype)(h)
    return stirred(keras.Model(given, layers.Dense(2, name="head", dtype="float32")(h)))


HALVES = {"mixed_float16": 2e-3, "mixed_bfloat16": 2e-2}


@pytest.mark.parametrize("dtype", HALVES)
def test_half_precision_is_measured_in_float64_of_its_values(
    dtype: str, runner_settings: Any
) -> None:
    """Forward: the float64 moments of the very tensors Keras computed. Backward: near float32's."""
    import keras

    model, x = mlp(dtype), inputs(5)
    middle = keras.Model(model.input, [layer.output for layer in model.layers[1:4]])
    z, _, a = (np.asarray(t).astype(np.float64) for t in middle(x))
    y = drawn(model, x)
    measured = step(model, x, y)
    figures = measured.figures["first"]
    assert figures["preactivation_second_moment"] == pytest.approx(np.mean(z**2), rel=1e-6)
    assert figures["preactivation_variance"] == pytest.approx(np.var(z), rel=1e-6)
    figures = measured.figures["second"]
    assert figures["activation_second_moment"] == pytest.approx(np.mean(a**2), rel=1e-6)
    assert figures["activation_mean"] == pytest.approx(np.mean(a), rel=1e-6)
    assert figures["zero_fraction"] == pytest.approx(np.mean(a == 0))
    whole = step(mlp("float32"), x, y)
    for name in ("first", "second", "head"):
        for statistic in (*FORWARD[:4], *BACKWARD):
            wanted = whole.figures[name][statistic]
            assert measured.figures[name][statistic] == pytest.approx(wanted, rel=HALVES[dtype] * 8)
    # A layer is its activation's owner across the cast between them.
    assert measured.layer("first").activation == "tanh"
    assert not measured.layer("act").measured
    assert measured.environment_dtype == f"{dtype}, float32"
    assert whole.environment_dtype == "float32"


@pytest.mark.parametrize("scale", [2.0**10, 3000.0])
def test_the_optimizer_s_scaling_is_undone(scale: float, runner_settings: Any) -> None:
    import keras

    x = inputs(5)
    model = mlp("mixed_float16")
    y = drawn(model, x)
    plain = step(mlp("float32"), x, y)
    inner = keras.optimizers.SGD(0.25)
    if scale == 3000.0:
        inner.loss_scale_factor = scale
        optimizer: Any = inner
    else:
        optimizer = keras.optimizers.LossScaleOptimizer(inner, initial_scale=scale)
    scaled = step(model, x, y, optimizer=optimizer)
    for name in ("first", "second", "head"):
        for statistic in (*BACKWARD, "update_ratio"):
            wanted = plain.figures[name][statistic]
            assert scaled.figures[name][statistic] == pytest.approx(wanted, rel=0.02), (
                name,
                statistic,
            )


def test_scaling_saves_what_float16_loses_and_the_rest_is_told(runner_settings: Any) -> None:
    """Gradients below 6e-8 are zero in float16: unscaled, most of delta is gone, and said to be."""
    import keras

    x = inputs(5)

    def run(optimizer: Any) -> Measured:
        model = mlp("mixed_float16", "tanh")
        return step(model, x, drawn(model, x), factor=1e-7, optimizer=optimizer)

    model = mlp("float32", "tanh")
    whole = step(model, x, drawn(model, x), factor=1e-7)
    lost = run(keras.optimizers.SGD(0.25)).figures["first"]
    kept = run(
        keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25), initial_scale=2.0**20)
    ).figures["first"]
    assert lost["underflow_fraction"] > 0.5
    assert kept["underflow_fraction"] == 0
    wanted = whole.figures["first"]["delta_second_moment"]
    assert kept["delta_second_moment"] == pytest.approx(wanted, rel=0.02)


def test_a_step_that_overflows_its_scale_is_no_fault_of_the_network(runner_settings: Any) -> None:
    """The optimizer leaves the weights alone and halves its scale; nothing backward is reported."""
    import keras

    x, model = inputs(5), mlp("mixed_float16")
    before = model.get_weights()
    optimizer = keras.optimizers.LossScaleOptimizer(
        keras.optimizers.SGD(0.25), initial_scale=2.0**30
    )
    measured = step(model, x, drawn(model, x), optimizer=optimizer)
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert float(optimizer.dynamic_scale) == 2.0**29
    figures = measured.figures["first"]
    assert all(math.isnan(figures[name]) for name in BACKWARD)
    assert figures["nonfinite_count"] == figures["nonfinite_backward_count"] == 0
    assert figures["preactivation_second_moment"] > 0


@pytest.mark.parametrize("scale", [2.0**15, 2.0**30], ids=["kept scale", "overflow"])
def test_an_infinite_activation_still_counts_under_loss_scaling(
    scale: float, runner_settings: Any
) -> None:
    import keras

    x, model = inputs(5), mlp("mixed_float16")
    model.get_layer("first").bias.assign(np.full(6, 1e6, np.float32))
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.25), initial_scale=scale)
    figures = step(model, x, drawn(model, x), optimizer=optimizer).figures["first"]
    assert figures["nonfinite_forward_count"] == figures["nonfinite_count"] == BATCH * 6
    assert figures["nonfinite_backward_count"] == 0


def _cnn_rnn() -> Any:
    return sequential(
        lambda layers: layers.Conv1D(3, 2, activation="tanh", name="conv"),
        lambda layers: layers.LayerNormalization(name="norm"),
        lambda layers: layers.GRU(3, name="loop"),
        shape=(5, 2),
    )


@pytest.mark.parametrize("factor", [1e-12, 1e12])
def test_ratios_do_not_depend_on_the_loss_s_scale(factor: float, runner_settings: Any) -> None:
    """Every backward figure moves with the square of the factor, the forward ones not at all."""
    x = inputs(5, 2)
    models = [stirred(_cnn_rnn()()) for _ in range(2)]
    y = drawn(models[0], x)
    one = step(models[0], x, y)
    other = step(models[1], x, y, factor=factor)
    for name in ("conv", "norm", "loop", "head"):
        for statistic, value in one.figures[name].items():
            wanted = value * factor**2 if statistic in BACKWARD else value
            found = other.figures[name][statistic]
            assert found == pytest.approx(wanted, rel=1e-5, nan_ok=True), (name, statistic)
    assert other.times["loop"] == pytest.approx(one.times["loop"] * factor**2, rel=1e-5)


@pytest.mark.parametrize("exponent", [-37, -30, -19, 17, 30, 37])
def test_values_of_any_size_are_measured_right(exponent: int, runner_settings: Any) -> None:
    """z, a and delta of 1e-37 to 1e37: float32 squares would be 0 or inf beyond 1e-19 and 1e19."""
    import keras

    size = 10.0**exponent
    given = keras.Input((4, 3))
    h = keras.layers.Conv1D(3, 2, use_bias=False, name="conv")(given)
    model = keras.Model(given, h)
    kernel = np.random.default_rng(1).uniform(0.2, 0.9, (2, 3, 3)).astype(np.float32)
    model.get_layer("conv").kernel.assign(kernel)
    x = np.abs(inputs(4, 3)) * 0.3 + 0.1
    x, y = (x * size).astype(np.float32), np.zeros((BATCH, 3, 3), np.float32)
    z = sum(x[:, i : i + 3].astype(np.float64) @ kernel[i].astype(np.float64) for i in range(2))
    sizes = (np.random.default_rng(5).uniform(0.4, 0.9, z.shape) * size).astype(np.float32)

    def linear(targets: Any, outputs: Any) -> Any:
        del targets
        import tensorflow as tf

        # The loss's gradient is `sizes`, whatever the outputs: no overflow on the way.
        return tf.reduce_sum(outputs * tf.stop_gradient(tf.constant(sizes) / BATCH))

    figures = step(model, x, y, loss=linear, optimizer=keras.optimizers.SGD(0.0)).figures["conv"]
    delta = sizes.astype(np.float64)
    assert figures["preactivation_second_moment"] == pytest.approx(np.mean(z**2), rel=1e-5)
    assert figures["preactivation_variance"] == pytest.approx(np.var(z), rel=1e-5)
    assert figures["activation_sample_variance"] == pytest.approx(np.mean(np.var(z, 0)), rel=1e-5)
    assert figures["delta_second_moment"] == pytest.approx(np.mean(delta**2), rel=1e-5)
    assert figures["delta_variance"] == pytest.approx(np.var(delta), rel=1e-5)
    assert figures["underflow_fraction"] == 0
    assert figures["nonfinite_forward_count"] == 0


def test_underflow_is_said_where_the_signal_is_gone(runner_settings: Any) -> None:
    """A loss x 1e-38 leaves delta below what float32 holds: it is told as lost, not as small."""
    x = inputs(5, 2)
    model = stirred(_cnn_rnn()())
    tiny = step(model, x, drawn(model, x), factor=1e-30).figures["conv"]
    assert tiny["underflow_fraction"] == 0
    assert 0 < tiny["delta_second_moment"] < 1e-55
    model = stirred(_cnn_rnn()())
    gone = step(model, x, drawn(model, x), factor=1e-38).figures["conv"]
    assert gone["underflow_fraction"] > 0.9
