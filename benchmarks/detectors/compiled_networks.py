"""Networks that come compiled: with a loss or a schedule that no word of a config names."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import layers

from benchmarks.detectors import data
from benchmarks.detectors.networks import IMAGE, stack


def compiled(
    *,
    loss: str = "sparse_categorical_crossentropy",
    optimizer: str = "SGD",
    rate: float = 0.05,
    factor: float = 1.0,
    from_logits: bool = False,
    more: dict[str, Any] | None = None,
    network: dict[str, Any] | None = None,
) -> keras.Model:
    """A stack with a loss times `factor`."""
    model = stack(**(network or {}))
    base = getattr(keras.losses, loss)
    if from_logits:
        inner = base
        base = lambda y, p: inner(y, p, from_logits=True)  # noqa: E731

    def scaled(y: Any, p: Any) -> Any:
        return factor * base(y, p)

    made = getattr(keras.optimizers, optimizer)(learning_rate=rate, **(more or {}))
    model.compile(optimizer=made, loss=scaled)
    return model


def summed(rate: float = 0.05, batch: int = 128, **network: Any) -> keras.Model:
    """A loss that sums over the batch where the rate was meant for a mean."""
    model = stack(**network)
    loss = keras.losses.SparseCategoricalCrossentropy(reduction="sum")
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=loss)
    return model


def scheduled(kind: str = "cosine", rate: float = 0.1, steps: int = 300) -> keras.Model:
    """A learning rate that decays to nothing: at the end (cosine), or at once (hasty)."""
    schedules = {
        "cosine": keras.optimizers.schedules.CosineDecay(rate, steps),
        "warmup": keras.optimizers.schedules.CosineDecay(
            0.0, steps, warmup_target=rate, warmup_steps=steps // 3
        ),
        "steep": keras.optimizers.schedules.ExponentialDecay(rate, 1, 0.93),
        "hasty": keras.optimizers.schedules.ExponentialDecay(rate, 1, 0.3),
    }
    model = stack()
    optimizer = keras.optimizers.SGD(schedules[kind])
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    return model


def logarithm(kind: str = "log") -> keras.Model:
    """A loss of one's own without the guard against 0: log(p), or the square root of a square."""

    def loss(y: Any, p: Any) -> Any:
        truth = tf.one_hot(tf.cast(tf.reshape(y, [-1]), tf.int32), 10)
        if kind == "log":
            return -tf.reduce_sum(truth * tf.math.log(p) + (1 - truth) * tf.math.log(1 - p), -1)
        if kind == "root":
            return tf.reduce_sum(tf.sqrt(tf.square(tf.nn.relu(p - truth))), -1)
        return tf.reduce_sum(truth * tf.math.log(p), -1)  # the sign of the loss was lost

    model = stack(hidden=(64, 64))
    rate = 0.5 if kind == "log" else 0.05
    model.compile(optimizer=keras.optimizers.SGD(rate), loss=loss)
    return model


def trained_before(rate: float = 1e-4) -> keras.Model:
    """A network that comes trained, to be tuned by small steps."""
    (x, y), _ = data.fashion()
    model = stack()
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    model.fit(x, y, epochs=4, batch_size=64, verbose=0)
    model.compile(optimizer=keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
    return model


def clipped(
    value: float = 1.0, rate: float = 0.05, factor: float = 1.0, by: str = "global_clipnorm"
) -> keras.Model:
    """A loss times `factor` whose gradient is clipped."""
    return compiled(rate=rate, factor=factor, more={by: value})


def accumulating(every: int = 4, rate: float = 0.1) -> keras.Model:
    """Gradients are summed over some steps before one is made."""
    model = stack()
    optimizer = keras.optimizers.SGD(rate, gradient_accumulation_steps=every)
    model.compile(optimizer=optimizer, loss="sparse_categorical_crossentropy")
    return model


def smoothed(share: float = 0.1) -> keras.Model:
    """Labels that are not quite sure."""
    model = stack()

    def loss(y: Any, p: Any) -> Any:
        truth = tf.one_hot(tf.cast(tf.reshape(y, [-1]), tf.int32), 10)
        return keras.losses.categorical_crossentropy(truth, p, label_smoothing=share)

    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss=loss)
    return model


def likelihood() -> keras.Model:
    """The mean and the log of the deviation of a normal law; the loss goes below 0."""

    def loss(y: Any, p: Any) -> Any:
        mean, log = p[:, :1], p[:, 1:]
        return log + 0.5 * tf.square((y - mean) * tf.exp(-log))

    model = stack(inputs=20, outputs=2, head=None)
    model.compile(optimizer=keras.optimizers.Adam(3e-3), loss=loss)
    return model


def softmax_by_hand() -> keras.Model:
    """A softmax that no layer shows."""
    x = first = keras.Input((IMAGE,))
    x = layers.Dense(64, activation="relu")(x)
    model = keras.Model(first, keras.ops.softmax(layers.Dense(10)(x)))
    model.compile(optimizer=keras.optimizers.Adam(2e-3), loss="sparse_categorical_crossentropy")
    return model
