"""Further faults of loss, targets and variables that people report, made again in small.

They are named from the start of a training: eight steps are enough. The repaired twin has no
finding of the detector.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.each_case import each_case

pytestmark = pytest.mark.tensorflow

X = np.random.default_rng(5).normal(size=(256, 6)).astype("float32")
SIGN = (X[:, :1] > 0).astype("float32")
LABELS = (X[:, 0] > 0).astype("int64") + (X[:, 1] > 0)
LINE = (X @ np.arange(6.0)).astype("float32")


def net(*layers: Any, loss: Any, y: Any, optimizer: str = "adam") -> Any:
    import keras

    model = keras.Sequential([keras.Input((6,)), *layers])
    model.compile(optimizer, loss)
    return model, (X, y)


def dense(units: int, activation: str | None = None, **options: Any) -> Any:
    import keras

    return keras.layers.Dense(units, activation=activation, **options)


def flat_answers(repaired: bool) -> Any:
    """Answers (batch,) from a Flatten of one's own, targets (batch, 1), a root of mean squares."""
    import keras
    from keras import ops

    class Root(keras.losses.Loss):
        def call(self, y: Any, p: Any) -> Any:
            return ops.sqrt(ops.mean(ops.square(p - y)))

    y = LINE if repaired else LINE[:, None]
    return net(dense(8, "relu"), dense(1), keras.layers.Reshape(()), loss=Root(), y=y)


def two_columns_beside_one_axis(repaired: bool) -> Any:
    """A pinball loss of answers (batch, 1) and targets (batch,)."""
    import keras
    from keras import ops

    class Pinball(keras.losses.Loss):
        def call(self, y: Any, p: Any) -> Any:
            return ops.mean(ops.maximum(0.9 * (y - p), 0.1 * (p - y)))

    y = LINE[:, None] if repaired else LINE
    return net(dense(8, "tanh"), dense(1), loss=Pinball(), y=y)


def sigmoid_twice(repaired: bool) -> Any:
    """The loss of a discriminator, which takes logits, behind a sigmoid."""
    import tensorflow as tf

    def loss(y: Any, p: Any) -> Any:
        return tf.nn.sigmoid_cross_entropy_with_logits(tf.cast(y, p.dtype), p)

    return net(dense(8, "relu"), dense(1, None if repaired else "sigmoid"), loss=loss, y=SIGN)


def softmax_layer_twice(repaired: bool) -> Any:
    """A Softmax layer before a loss that takes logits, on one-hot targets, times 100."""
    import keras
    import tensorflow as tf

    def loss(y: Any, p: Any) -> Any:
        return 100.0 * tf.nn.softmax_cross_entropy_with_logits(y, p)

    last = [] if repaired else [keras.layers.Softmax()]
    return net(dense(8, "relu"), dense(3), *last, loss=loss, y=np.eye(3, dtype="float32")[LABELS])


def tanh_as_logits(repaired: bool) -> Any:
    """A binary cross-entropy from logits behind a tanh."""
    import keras

    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    return net(dense(8, "relu"), dense(1, None if repaired else "tanh"), loss=loss, y=SIGN)


def layers_in_an_object(repaired: bool) -> Any:
    """Blocks of layers that an object of no Keras class holds."""
    import keras

    class Block:
        def __init__(self) -> None:
            self.inner = {"first": keras.layers.Dense(8, activation="relu")}

    class Stack(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.block = Block()
            if repaired:
                self.tracked = list(self.block.inner.values())

        def call(self, x: Any) -> Any:
            return self.block.inner["first"](x)

    return net(Stack(), dense(1, "sigmoid"), loss="binary_crossentropy", y=SIGN)


def whole_backbone_frozen(repaired: bool) -> Any:
    """``trainable = False`` on the model that has the new head in it."""
    model, given = net(dense(8, "relu"), dense(1, "sigmoid"), loss="binary_crossentropy", y=SIGN)
    for layer in model.layers[:1] if repaired else [model]:
        layer.trainable = False
    return model, given


def fourth_power(repaired: bool) -> Any:
    """y = x^4 for x up to 100: targets up to 1e8."""
    y = np.linspace(-100, 100, 256)[:, None] ** 4
    y = (y - y.mean()) / y.std() if repaired else y
    return net(dense(8, "relu"), dense(1), loss="mse", y=y.astype("float32"), optimizer="sgd")


def percentages_of_classes(repaired: bool) -> Any:
    """A percentage error of zeros and ones."""
    loss = "mean_squared_error" if repaired else "mean_absolute_percentage_error"
    return net(dense(8, "relu"), dense(1, "sigmoid"), loss=loss, y=SIGN)


def hard_decisions(repaired: bool) -> Any:
    """An F1 score of answers that were rounded."""
    from keras import ops

    def loss(y: Any, p: Any) -> Any:
        hit = p if repaired else ops.round(p)
        return 1 - 2 * ops.sum(y * hit) / (ops.sum(y) + ops.sum(hit) + 1e-7)

    return net(dense(8, "relu"), dense(1, "sigmoid"), loss=loss, y=SIGN)


KINDS: dict[Callable[[bool], Any], str] = {
    flat_answers: "unmatched_targets",
    two_columns_beside_one_axis: "unmatched_targets",
    sigmoid_twice: "output_mismatch",
    softmax_layer_twice: "output_mismatch",
    tanh_as_logits: "output_mismatch",
    layers_in_an_object: "untracked_variables",
    whole_backbone_frozen: "frozen_layers",
    fourth_power: "unscaled_targets",
    percentages_of_classes: "output_mismatch",
    hard_decisions: "cut_gradient",
}
PROGRAMS = {program.__name__: program for program in KINDS}


@each_case("name", PROGRAMS)
def test_the_kind_is_named_and_its_repaired_twin_is_not(name: str) -> None:
    import keras

    from gradscope import api

    program = PROGRAMS[name]
    for repaired in (False, True):
        keras.utils.set_random_seed(2)
        model, data = program(repaired)
        record = api.run({"training": {"steps": 8}, "seed": 2}, model=model, data=data)
        verdicts = api.analyze(record).diagnosis.verdicts
        found = [v.name for v in verdicts if any(f.severity == "error" for f in v.findings)]
        if repaired:
            assert KINDS[program] not in found, verdicts[0]
        else:
            assert found[:1] == [KINDS[program]], (found, record.objective_start)
