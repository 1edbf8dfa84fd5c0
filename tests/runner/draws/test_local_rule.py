"""The exact second moment of a linear layer's output and gradient, against many random units.

The units of a layer are independent given its input, so that one call of a layer of a thousand
units is a thousand draws.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.each_case import each_case

pytestmark = pytest.mark.tensorflow

MANY = 1001
IMAGE, ROW, VOLUME, SEQUENCE = (7, 9, 3), (9, 3), (5, 4, 6, 2), (5, 6)


def _kinds() -> dict[str, tuple[Callable[[int], Any], tuple[int, ...]]]:
    """Layer kinds of any number of units, and the shape of one sample of odd sizes."""
    from keras import layers

    law = {"kernel_initializer": "lecun_normal", "use_bias": False}
    return {
        "dense": (lambda n: layers.Dense(n, **law), (6,)),
        "dense_orthogonal": (
            lambda n: layers.Dense(n, kernel_initializer="orthogonal", use_bias=False),
            (6,),
        ),
        "conv_same": (lambda n: layers.Conv2D(n, 3, padding="same", **law), IMAGE),
        "conv_valid": (lambda n: layers.Conv2D(n, (3, 2), **law), IMAGE),
        "conv_stride": (lambda n: layers.Conv2D(n, 3, strides=2, padding="same", **law), IMAGE),
        "conv_dilated": (
            lambda n: layers.Conv2D(n, 3, dilation_rate=2, padding="same", **law),
            IMAGE,
        ),
        "conv_row": (lambda n: layers.Conv1D(n, 3, padding="causal", **law), ROW),
        "conv_volume": (lambda n: layers.Conv3D(n, 3, padding="same", **law), VOLUME),
        "transposed": (
            lambda n: layers.Conv2DTranspose(n, 3, strides=2, padding="same", **law),
            IMAGE,
        ),
        "einsum": (
            lambda n: layers.EinsumDense("abc,cd->abd", (None, n), kernel_initializer="he_normal"),
            SEQUENCE,
        ),
    }


def _expected(layer: Any, weights: list[Any]) -> float:
    """E w^2 as the initializer promises it: a variance of one over its fans."""
    return float(np.prod([np.mean(np.square(np.asarray(w, np.float64))) for w in weights]))


NAMES = (
    "dense",
    "dense_orthogonal",
    "conv_same",
    "conv_valid",
    "conv_stride",
    "conv_dilated",
    "conv_row",
    "conv_volume",
    "transposed",
    "einsum",
)


@each_case("kind", NAMES)
def test_the_rule_holds_for_many_units_of_a_kind(kind: str, tensorflow_once: Any) -> None:
    """Forward: per unit mean z^2 over its own mean w^2 times the map of ones."""
    import keras

    from gradscope.runner.draws.linear_maps import unit_map

    keras.utils.set_random_seed(5)
    make, shape = _kinds()[kind]
    layer = make(MANY)
    rng = np.random.default_rng(6)
    x = (rng.normal(size=(3, *shape)) * np.linspace(0.2, 2.0, shape[-1])).astype("float32")
    z = np.asarray(layer(x), np.float64)
    unit = unit_map(layer)
    assert unit is not None
    per_unit = np.square(z).reshape(-1, MANY).mean(axis=0)
    rule = float(unit.response(x)) * _expected(layer, list(unit.weights))
    error = per_unit.std(ddof=1) / np.sqrt(MANY)
    assert abs(per_unit.mean() - rule) <= 4.0 * error, (kind, per_unit.mean() / rule)
    assert error / rule < 0.05


@each_case("kind", ("dense", "conv_same", "conv_stride", "conv_dilated", "transposed"))
def test_the_rule_holds_going_back(kind: str, tensorflow_once: Any) -> None:
    """Backward: the input channels are the units, given the delta of the outputs."""
    import keras
    import tensorflow as tf

    from gradscope.runner.draws.linear_maps import unit_map

    keras.utils.set_random_seed(8)
    make, shape = _kinds()[kind]
    layer, channels = make(3), 401
    rng = np.random.default_rng(9)
    x = tf.constant(rng.normal(size=(2, *shape[:-1], channels)).astype("float32"))
    with tf.GradientTape() as tape:
        tape.watch(x)
        z = layer(x)
    delta = rng.normal(size=z.shape) * np.linspace(0.3, 2.0, 3)
    delta = tf.constant(delta.astype("float32"))
    back = np.asarray(tape.gradient(z, x, output_gradients=delta), np.float64)
    unit = unit_map(layer)
    assert unit is not None
    per_unit = np.square(back).reshape(-1, channels).mean(axis=0)
    rule = float(unit.transposed(delta, x)) * _expected(layer, list(unit.weights))
    error = per_unit.std(ddof=1) / np.sqrt(channels)
    assert abs(per_unit.mean() - rule) <= 4.0 * error, (kind, per_unit.mean() / rule)


def _groups(layer: Any, shape: tuple[int, ...], draws: int) -> tuple[Any, float]:
    """Mean z^2 of each of many draws of a layer of few units, and the rule."""
    import tensorflow as tf

    from gradscope.runner.draws.linear_maps import unit_map

    rng = np.random.default_rng(10)
    x = (rng.normal(size=(2, *shape)) * np.linspace(0.2, 2.0, shape[-1])).astype("float32")
    layer.build((None, *shape))
    unit = unit_map(layer)
    assert unit is not None

    def square(draw: Any) -> Any:
        for at, weight in enumerate(unit.weights):
            weight.assign(0.3 * tf.random.stateless_normal(weight.shape, [draw, at]))
        return tf.reduce_mean(tf.square(tf.cast(layer(x), tf.float64)))

    every = tf.function(lambda: tf.map_fn(square, tf.range(draws), fn_output_signature=tf.float64))
    return every().numpy(), float(unit.response(x)) * 0.3 ** (2 * len(unit.weights))


@each_case("kind", ("groups", "depthwise", "separable", "einsum_heads"))
def test_the_rule_holds_where_channels_are_not_alike(kind: str, tensorflow_once: Any) -> None:
    from keras import layers

    made = {
        "groups": (layers.Conv2D(6, 3, groups=3, padding="same", use_bias=False), (5, 4, 6)),
        "depthwise": (
            layers.DepthwiseConv2D(3, depth_multiplier=2, strides=2, use_bias=False),
            (7, 8, 3),
        ),
        "separable": (layers.SeparableConv2D(4, 3, depth_multiplier=2, use_bias=False), (6, 5, 3)),
        "einsum_heads": (layers.EinsumDense("abc,cde->abde", (None, 2, 3)), (5, 4)),
    }
    layer, shape = made[kind]
    squares, rule = _groups(layer, shape, 2000)
    error = squares.std(ddof=1) / np.sqrt(len(squares))
    assert abs(squares.mean() - rule) <= 4.0 * error, (kind, squares.mean() / rule)


def test_the_order_of_the_axes_does_not_matter(tensorflow_once: Any) -> None:
    """The rule of channels first is that of the same values with channels last."""
    import tensorflow as tf
    from keras import layers

    from gradscope.runner.draws.linear_maps import unit_map

    rng = np.random.default_rng(11)
    x = rng.normal(size=(2, 7, 9, 3)).astype("float32")
    delta = rng.normal(size=(2, 4, 5, 6)).astype("float32")
    rules = []
    for order in ("channels_last", "channels_first"):
        layer = layers.Conv2D(6, 3, strides=2, padding="same", data_format=order)
        first = order == "channels_first"
        layer.build((None, 3, 7, 9) if first else (None, 7, 9, 3))
        unit = unit_map(layer)
        assert unit is not None
        given, back = (
            tf.constant(np.moveaxis(values, -1, 1) if first else values) for values in (x, delta)
        )
        rules.append(
            [
                float(unit.response(given)),
                float(unit.mean_response(given)),
                float(unit.transposed(back, given)),
            ]
        )
    np.testing.assert_allclose(rules[0], rules[1], rtol=1e-6)


def test_an_embedding_gives_the_mean_square_of_its_weights(tensorflow_once: Any) -> None:
    import keras

    from gradscope.runner.draws.linear_maps import unit_map

    layer = keras.layers.Embedding(400, 16)
    x = np.arange(400).reshape(4, 100)
    z = np.asarray(layer(x), np.float64)
    unit = unit_map(layer)
    assert unit is not None
    rule = float(unit.response(x)) * _expected(layer, list(unit.weights))
    assert np.mean(np.square(z)) == pytest.approx(rule, rel=1e-5)
