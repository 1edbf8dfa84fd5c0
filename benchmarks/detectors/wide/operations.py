"""What stands in the middle of a network or before its head: faults of the user's own layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf
from keras import layers, ops


class Position(layers.Layer):  # type: ignore[misc]
    """Learnt vectors that are added to each place."""

    def build(self, shape: Any) -> None:
        """Make a vector for each place."""
        self.vectors = self.add_weight(shape=shape[1:], initializer="random_normal", name="vectors")

    def call(self, x: Any) -> Any:
        """Add them."""
        return x + self.vectors


class _Untracked(layers.Layer):  # type: ignore[misc]
    """A dense layer whose weights are a `tf.Variable`, which Keras 3 does not know."""

    def __init__(self, units: int) -> None:
        super().__init__()
        self.units = units

    def build(self, shape: Any) -> None:
        start = keras.initializers.RandomNormal(stddev=0.002)
        self.kernel = tf.Variable(start((shape[-1], self.units)))

    def call(self, x: Any) -> Any:
        return tf.tensordot(x, tf.convert_to_tensor(self.kernel), 1)

    def compute_output_shape(self, shape: Any) -> Any:
        return (*shape[:-1], self.units)


class _Operation(layers.Layer):  # type: ignore[misc]
    """An operation without weights, named."""

    def __init__(self, kind: str) -> None:
        super().__init__(name=kind.replace(" ", "_"))
        self.kind = kind

    def call(self, x: Any) -> Any:
        return _OPERATIONS[self.kind](x)

    def compute_output_shape(self, shape: Any) -> Any:
        return shape


def _masked(size: float) -> Callable[[Any], Any]:
    def mask(x: Any) -> Any:
        hidden = ops.cast(x < 0, x.dtype) * ops.cast(-size, x.dtype)  # -inf * 0 in float16
        return ops.softmax(x + hidden) * ops.cast(x.shape[-1], x.dtype)

    return mask


def _length(added: float) -> Callable[[Any], Any]:
    def length(x: Any) -> Any:
        squares = ops.sum(ops.square(ops.relu(x - 3.0)), axis=-1, keepdims=True)
        return ops.concatenate([x[..., 1:], ops.sqrt(squares + added)], axis=-1)

    return length


def _direction(added: float) -> Callable[[Any], Any]:
    def direction(x: Any) -> Any:
        return x / (ops.sqrt(ops.sum(ops.square(ops.relu(x - 0.5)), -1, keepdims=True)) + added)

    return direction


_OPERATIONS: Mapping[str, Callable[[Any], Any]] = {
    "stop": ops.stop_gradient,
    "round": tf.round,
    "sign": tf.sign,
    "argmax": lambda x: tf.one_hot(tf.argmax(x, -1), x.shape[-1]),
    "integers": lambda x: tf.cast(tf.cast(4.0 * x, tf.int32), tf.float32),
    "length": _length(0.0),
    "guarded length": _length(1e-6),
    "direction": _direction(0.0),
    "guarded direction": lambda x: (
        x / ops.sqrt(ops.sum(ops.square(ops.relu(x - 0.5)), -1, keepdims=True) + 1e-3)
    ),
    "logarithm": lambda x: ops.log(ops.relu(x)),
    "guarded logarithm": lambda x: ops.log(ops.relu(x) + 1e-3),
    "root": lambda x: ops.sqrt(ops.relu(x)),
    "guarded root": lambda x: ops.sqrt(ops.relu(x) + 1e-6),
    "exponential": lambda x: ops.exp(60.0 * x),
    "bounded exponential": lambda x: ops.exp(ops.clip(60.0 * x, -20.0, 20.0)),
    "mask": _masked(1e9),
    "mask of 1e4": _masked(1e4),
}


def between(x: Any, kind: str) -> Any:
    """`x` after the operation of this kind."""
    if kind == "untracked":
        return layers.Dense(x.shape[-1], activation="relu")(_Untracked(1)(x))
    if kind == "tracked":
        return layers.Dense(x.shape[-1], activation="relu")(layers.Dense(1)(x))
    if kind == "one value":
        narrow = layers.LayerNormalization()(layers.Dense(1)(x))
        return layers.Dense(x.shape[-1], activation="relu")(narrow)
    if kind.startswith("mask"):
        half = layers.Dense(x.shape[-1], dtype="mixed_float16")(x)
        operation = _Operation(kind)
        operation.dtype_policy = keras.DTypePolicy("mixed_float16")
        return layers.Activation("linear", dtype="float32")(operation(half))
    return _Operation(kind)(x) if kind else x
