"""Small trainings with a fault in loss, targets or variables, each with its repaired twin."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Program = Callable[[bool], tuple[Any, tuple[Any, Any]]]
"""``program(repaired)`` gives a compiled model and its data."""


def _net(*layers: Any) -> Any:
    import keras

    return keras.Sequential(list(layers))


def _dense(units: int, activation: str | None = "relu", **options: Any) -> Any:
    import keras

    return keras.layers.Dense(units, activation=activation, **options)


def _start(seed: int = 1) -> np.random.Generator:
    import keras

    keras.utils.set_random_seed(seed)
    return np.random.default_rng(seed)


def _two_classes(random: np.random.Generator, samples: int = 960) -> tuple[Any, Any]:
    x = random.normal(size=(samples, 4)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def nothing_trainable(repaired: bool) -> Any:
    """A model whose ``trainable`` was set to False after compiling, as for a stacked model."""
    data = _two_classes(_start())
    net = _net(_dense(16), _dense(16), _dense(1, "sigmoid"))
    net.compile("adam", "binary_crossentropy")
    net.trainable = repaired
    return net, data


def broadcast_targets(repaired: bool) -> Any:
    """Targets (batch,) beside answers (batch, 1) under a loss of one's own."""
    import keras
    from keras import ops

    class Squares(keras.losses.Loss):
        def call(self, y: Any, p: Any) -> Any:
            return ops.mean(ops.square(y - p), axis=-1)

    random = _start()
    x = random.normal(size=(960, 8)).astype("float32")
    y = 2 * x[:, 0] - x[:, 1]
    net = _net(_dense(32), _dense(32), _dense(1, None))
    net.compile(keras.optimizers.Adam(3e-3), Squares())
    return net, (x, y[:, None] if repaired else y)


def untracked_variables(repaired: bool) -> Any:
    """Layers that make a ``tf.Variable``, which Keras does not track."""
    import keras
    import tensorflow as tf

    class Mine(keras.layers.Layer):
        def build(self, shape: Any) -> None:
            size = (shape[-1], 32)
            if repaired:
                self.w = self.add_weight(shape=size, initializer="he_normal")
            else:
                self.w = tf.Variable(keras.initializers.HeNormal(seed=1)(size))

        def call(self, x: Any) -> Any:
            return tf.nn.relu(x @ tf.convert_to_tensor(self.w))

        def compute_output_shape(self, shape: Any) -> Any:
            return (*shape[:-1], 32)

    random = _start()
    x = random.normal(size=(960, 6)).astype("float32")
    y = (x[:, :1] * x[:, 1:2] > 0).astype("float32")
    net = _net(keras.Input((6,)), Mine(), Mine(), _dense(1, "sigmoid"))
    net.compile(keras.optimizers.Adam(1e-2), "binary_crossentropy")
    return net, (x, y)


def softmax_twice(repaired: bool) -> Any:
    """A loss of one's own that takes logits, behind a softmax."""
    import keras
    import tensorflow as tf

    def loss(y: Any, p: Any) -> Any:
        labels = tf.cast(tf.reshape(y, [-1]), "int32")
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, p)

    random = _start()
    y = random.integers(0, 10, 960)
    x = (random.normal(size=(10, 16))[y] + random.normal(size=(960, 16))).astype("float32")
    net = _net(_dense(32), _dense(32), _dense(10, None if repaired else "softmax"))
    net.compile(keras.optimizers.SGD(0.1), loss)
    return net, (x, y)


def zero_targets(repaired: bool) -> Any:
    """A percentage error over targets of which one in twenty is zero."""
    import keras

    random = _start()
    x = random.normal(size=(960, 6)).astype("float32")
    y = np.exp(0.5 * x[:, :1])
    y[random.random(960) < 0.05] = 0
    net = _net(_dense(32), _dense(32), _dense(1, None))
    net.compile(keras.optimizers.Adam(3e-3), "mae" if repaired else "mape")
    return net, (x, y)


def large_targets(repaired: bool, adam: bool = False) -> Any:
    """Targets of 1e5 for a linear output that starts near 0."""
    import keras

    random = _start()
    x = random.normal(size=(960, 12)).astype("float32")
    y = np.exp(12 + 0.3 * x[:, :1]).astype("float32")
    net = _net(_dense(32), _dense(32), _dense(1, None))
    optimizer = keras.optimizers.Adam(1e-3) if adam else keras.optimizers.SGD(0.05)
    net.compile(optimizer, "mse")
    return net, (x, (y - y.mean()) / y.std() if repaired else y)


def large_targets_adam(repaired: bool) -> Any:
    """The same with an optimizer whose steps do not grow with the gradient."""
    return large_targets(repaired, adam=True)


def whole_answers(repaired: bool) -> Any:
    """Answers that an argmax makes, through which no gradient passes."""
    import keras
    from keras import ops

    random = _start()
    x, y = _two_classes(random)
    head = _dense(1, None)
    last = keras.layers.Lambda(lambda z: z if repaired else ops.argmax(z, -1, keepdims=True))
    net = _net(_dense(16), _dense(3), head if repaired else keras.layers.Identity(), last)
    net.compile(keras.optimizers.Adam(1e-2), "mae")
    return net, (x, y)


def large_weights(repaired: bool) -> Any:
    """Normal weights of ten times the usual deviation under a sigmoid."""
    import keras

    data = _two_classes(_start())

    def drawn(seed: int) -> Any:
        return "he_normal" if repaired else keras.initializers.RandomNormal(stddev=1.5, seed=seed)

    net = _net(
        _dense(32, kernel_initializer=drawn(1)),
        _dense(32, kernel_initializer=drawn(2)),
        _dense(1, "sigmoid", kernel_initializer=drawn(3)),
    )
    net.compile(keras.optimizers.Adam(3e-3), "binary_crossentropy")
    return net, data


def mask(_: bool = True) -> Any:
    """A mask of zeros and ones under a loss of one's own: nothing is wrong with it."""
    import keras
    from keras import ops

    random = _start()
    y = (random.random((160, 8, 8, 1)) < 0.05).astype("float32")
    x = y + 0.3 * random.normal(size=y.shape).astype("float32")

    def dice(y: Any, p: Any) -> Any:
        return 1 - (2 * ops.sum(y * p) + 1) / (ops.sum(y) + ops.sum(p) + 1)

    layers = keras.layers
    net = _net(
        layers.Conv2D(8, 3, padding="same", activation="relu"),
        layers.Conv2D(1, 1, activation="sigmoid"),
    )
    net.compile(keras.optimizers.Adam(3e-2), dice)
    return net, (x, y)
