"""Each formula of the catalog against Keras, its own differences and its stated bounds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from gradscope.catalog.activations import ACTIVATIONS, Activation, find_activation
from gradscope.catalog.array_ops import NUMPY_OPS
from tests.each_case import each_case

CASES: list[tuple[str, dict[str, Any]]] = [
    *((name, {}) for name, entry in ACTIVATIONS.items() if entry.hidden),
    ("leaky_relu", {"negative_slope": 0.01}),
    ("prelu", {"alpha": -0.5}),
    ("elu", {"alpha": 0.3}),
    ("elu", {"alpha": 2.0}),
    ("celu", {"alpha": 0.3}),
    ("celu", {"alpha": 2.0}),
    ("gelu", {"approximate": True}),
    ("squareplus", {"b": 0.25}),
]
EXACT = {"rtol": 1e-12, "atol": 2e-13}
FLOAT32_CONSTANTS = ("leaky_relu", "prelu", "gelu")
every_activation = each_case(("name", "parameters"), CASES)


def evaluate(entry: Activation, z: Any, parameters: dict[str, Any]) -> tuple[Any, Any]:
    return entry.value(z, NUMPY_OPS, **parameters), entry.derivative(z, NUMPY_OPS, **parameters)


def grid(entry: Activation) -> np.ndarray[Any, np.dtype[np.float64]]:
    far = [-100.0, -30.0, -17.5, 17.5, 30.0, 100.0]
    near = [kink + step for kink in entry.kinks for step in (-1e-9, 0.0, 1e-9)]
    return np.array([*np.linspace(-8.0, 8.0, 1601), *far, *near])


@every_activation
def test_derivative_is_the_limit_of_differences(name: str, parameters: dict[str, Any]) -> None:
    entry = ACTIVATIONS[name]
    step = 1e-5
    z = np.linspace(-9.0, 9.0, 4001)
    away = [np.abs(z - kink) for kink in (*entry.kinks, 1e9)]
    z = z[np.min(away, axis=0) > 2 * step]
    ahead, behind = evaluate(entry, z + step, parameters), evaluate(entry, z - step, parameters)
    difference = (ahead[0] - behind[0]) / (2 * step)
    derivative = evaluate(entry, z, parameters)[1]
    # Rounding 1e-16 |phi| / step, truncation step^2 |phi'''| / 6.
    assert np.max(np.abs(difference - derivative) / (1 + np.abs(ahead[0]))) < 3e-10


@every_activation
def test_bound_is_the_largest_derivative(name: str, parameters: dict[str, Any]) -> None:
    entry = ACTIVATIONS[name]
    bound = entry.derivative_bound(**parameters)
    z = np.concatenate(
        [
            np.linspace(-12.0, 12.0, 200_001),
            *([k - 1e-7, k + 1e-7] for k in entry.kinks),
            [-1e4, 1e4],
        ]
    )
    largest = np.max(np.abs(evaluate(entry, z, parameters)[1]))
    if np.isinf(bound):
        assert np.isinf(largest)
        return
    assert largest <= bound * (1 + 1e-12)
    assert largest >= bound * (1 - 1e-6)


@each_case("entry", [a for a in ACTIVATIONS.values() if a.hidden])
def test_range_encloses_and_is_reached(entry: Activation) -> None:
    z = np.concatenate([np.linspace(-12.0, 12.0, 20_001), [-1e4, 1e4]])
    values = evaluate(entry, z, {})[0]
    low, high = entry.range
    assert low <= values.min() <= (low + 1e-3 if np.isfinite(low) else -1e3)
    assert (high - 1e-3 if np.isfinite(high) else 1e3) <= values.max() <= high


@every_activation
def test_saturates_when_both_tails_are_flat(name: str, parameters: dict[str, Any]) -> None:
    entry = ACTIVATIONS[name]
    tails = evaluate(entry, np.array([-1e4, 1e4]), parameters)[1]
    assert entry.saturates == bool(np.all(np.abs(tails) < 1e-7))


@every_activation
def test_negative_slope_is_given_where_the_activation_is_homogeneous(
    name: str, parameters: dict[str, Any]
) -> None:
    entry = ACTIVATIONS[name]
    z = np.linspace(-7.0, 7.0, 57)
    once, twice = evaluate(entry, z, parameters)[0], evaluate(entry, 2.0 * z, parameters)[0]
    homogeneous = np.allclose(twice, 2.0 * once, rtol=1e-12, atol=1e-12)
    assert entry.homogeneous == homogeneous
    if entry.negative_slope is not None:
        assert once[-1] == 7.0
        assert entry.negative_slope(**parameters) == pytest.approx(once[0] / -7.0)


@every_activation
def test_kinks_are_the_points_of_jump(name: str, parameters: dict[str, Any]) -> None:
    """Away from the kinks the second derivative is continuous: its differences stay small."""
    entry = ACTIVATIONS[name]
    z = np.linspace(-8.0, 8.0, 16_001) + 3e-5
    derivative = evaluate(entry, z, parameters)[1]
    second = np.abs(np.diff(derivative, 2)) / (z[1] - z[0]) / (1 + np.abs(derivative[1:-1]))
    for jump in z[1:-1][second > 0.05]:
        assert min((abs(jump - kink) for kink in entry.kinks), default=9.0) < 5e-3


@every_activation
def test_no_warning_and_no_nan_far_out(name: str, parameters: dict[str, Any]) -> None:
    z = np.concatenate([np.linspace(-scale, scale, 2001) for scale in (1e4, 1.0, 1e-6)])
    with np.errstate(divide="raise", invalid="raise", over="raise"):
        value, derivative = evaluate(ACTIVATIONS[name], z, parameters)
    assert not np.isnan(value).any()
    assert not np.isnan(derivative).any()


@pytest.mark.parametrize(
    ("name", "z", "value", "derivative"),
    [  # from mpmath-free closed forms: leading terms of the tails and of the series at 0
        ("sigmoid", 40.0, 1.0, np.exp(-40.0)),
        ("tanh", 30.0, 1.0, 4 * np.exp(-60.0)),
        ("softplus", -50.0, np.exp(-50.0), np.exp(-50.0)),
        ("log_sigmoid", 50.0, -np.exp(-50.0), np.exp(-50.0)),
        ("squareplus", -1e6, 1e-6, 1e-12),
        ("tanh_shrink", 1e-4, 1e-12 / 3, 1e-8),
        ("mish", -40.0, -40.0 * np.exp(-40.0), -39.0 * np.exp(-40.0)),
        ("selu", 2.0, 2.1014019747109610, 1.0507009873554805),
    ],
)
def test_tails_keep_their_digits(name: str, z: float, value: float, derivative: float) -> None:
    got = evaluate(ACTIVATIONS[name], np.array([z]), {})
    np.testing.assert_allclose([got[0][0], got[1][0]], [value, derivative], rtol=1e-7)


def test_softmax_sums_to_one_and_survives_large_logits() -> None:
    z = np.array([[1e4, 0.0, -1e4], [1.0, 2.0, 3.0]])
    value, derivative = evaluate(ACTIVATIONS["softmax"], z, {})
    np.testing.assert_allclose(value.sum(axis=-1), 1.0)
    np.testing.assert_allclose(derivative, value * (1 - value))


def test_names_aliases_and_parameters() -> None:
    assert all(name == entry.name for name, entry in ACTIVATIONS.items())
    assert find_activation("swish") is ACTIVATIONS["silu"]
    assert find_activation("hard_swish") is ACTIVATIONS["hard_silu"]
    assert find_activation("no_such") is None
    assert ACTIVATIONS["leaky_relu"].complete({}) == {"negative_slope": 0.2}
    with pytest.raises(KeyError, match="negative_slope"):
        ACTIVATIONS["relu"].complete({"negative_slope": 0.1})
    assert [a.name for a in ACTIVATIONS.values() if not a.hidden] == ["softmax"]
    assert all(a.formula and a.source for a in ACTIVATIONS.values())


def test_catalog_does_not_import_numpy() -> None:
    modules = "gradscope.catalog.activations, gradscope.catalog.initializers"
    code = f"import sys, {modules}; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def keras_function(name: str, parameters: dict[str, Any]) -> Any:
    import keras

    if name == "prelu":
        alpha = parameters.get("alpha", 0.25)
        return lambda z: keras.activations.leaky_relu(z, negative_slope=alpha)
    function = keras.activations.get(name)
    return lambda z: function(z, **parameters)


@pytest.mark.tensorflow
@every_activation
def test_keras_computes_the_same(name: str, parameters: dict[str, Any]) -> None:
    import keras
    import tensorflow as tf

    entry = ACTIVATIONS[name]
    z = tf.constant(grid(entry), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(z)
        keras_value = keras_function(name, parameters)(z)
    keras_derivative = np.array(tape.gradient(keras_value, z))
    value, derivative = evaluate(entry, np.array(z), parameters)
    if name == "celu":  # Keras adds both branches at exactly 0 and says 2
        assert keras_derivative[np.array(z) == 0.0].tolist() == [2.0] * 2
        keras_derivative[np.array(z) == 0.0] = 1.0
    # TensorFlow keeps these three's constants (0.2, sqrt 2, 0.044715) in float32 even in float64.
    near = {"rtol": 1e-7, "atol": 2e-8} if name in FLOAT32_CONSTANTS else EXACT
    np.testing.assert_allclose(value, np.array(keras_value), **near)
    np.testing.assert_allclose(derivative, keras_derivative, **near)
    for mine, there in ((value, entry.value), (derivative, entry.derivative)):
        traced = tf.function(lambda x, f=there: f(x, keras.ops, **parameters))(z)
        assert traced.dtype == tf.float64
        np.testing.assert_allclose(mine, np.array(traced), **EXACT)
        assert there(tf.cast(z, tf.float32), keras.ops, **parameters).dtype == tf.float32


@pytest.mark.tensorflow
def test_every_name_is_one_of_keras() -> None:
    import keras

    for name, entry in ACTIVATIONS.items():
        if name == "prelu":
            continue
        assert keras.activations.get(name).__name__ == name
        for alias in entry.aliases:
            assert keras.activations.get(alias).__name__ == name


@pytest.mark.tensorflow
def test_prelu_layer_trains_the_named_parameter() -> None:
    import keras

    layer = keras.layers.PReLU(alpha_initializer=keras.initializers.Constant(0.25))
    layer.build((None, 3))
    assert hasattr(layer, str(ACTIVATIONS["prelu"].trained_parameter))
    z = np.linspace(-2.0, 2.0, 12).reshape(4, 3)
    np.testing.assert_allclose(
        np.array(layer(z)), ACTIVATIONS["prelu"].value(z, NUMPY_OPS), rtol=1e-6
    )
