"""Several outputs, half precision, and layers with corners."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import STEPS, Fault, Kind, Options


def two_heads(o: Options) -> trial.Trial:
    """A class and a value from one body; targets by the names of the outputs."""
    rng = np.random.default_rng(167)
    x = rng.normal(size=(1000, 8))
    hidden = np.tanh(x @ rng.normal(size=(8, 6)))
    kind = (hidden @ rng.normal(size=(6, 3))).argmax(axis=1)
    value = hidden @ rng.normal(size=(6, 1))
    y = {"kind": kind, "value": value / value.std() * o.get("times", 1.0) + o.get("plus", 0.0)}
    train, test = trial.parted(x, y)
    first = keras.Input((8,))
    inner = layers.Dense(32, "relu")(layers.Dense(32, "relu")(first))
    narrow = layers.Dense(o.get("shared", 16), "relu")(inner)
    ends = {
        "kind": layers.Dense(3, "softmax", name="kind")(layers.Dense(16, "relu")(narrow)),
        "value": layers.Dense(1, name="value")(narrow),
    }
    model = keras.Model(first, ends)
    model.compile(
        trial.optimizer(o, 0.01),
        {"kind": "sparse_categorical_crossentropy", "value": "mse"},
        loss_weights=o.get("weights"),
    )

    def score(answer: Any, y: Any) -> float:
        return min(
            trial.classes(answer["kind"], y["kind"]), trial.values(answer["value"], y["value"])
        )

    return trial.Trial(model, train, test, score, o.get("steps", 400), o.get("batch", 32))


TWO_HEADS = Kind(
    two_heads,
    {
        "plain": {},
        "weighted value": {"times": 20.0, "weights": {"kind": 1.0, "value": 0.0025}, "steps": 600},
        "uneven": {"weights": {"kind": 3.0, "value": 0.5}},
    },
    {
        "value drowns the class": Fault(
            "plain", {"times": 8e4, "plus": 2.5e5},
            ("unscaled_targets", "output_mismatch", *STEPS),
            "https://github.com/keras-team/keras/issues/4735",
        ),
        "class weighs nothing": Fault(
            "plain", {"weights": {"kind": 0.0, "value": 1.0}},
            ("cut_gradient", "frozen_layers", "not_learning"),
            "loss_weights with a 0 left from a trial",
        ),
    },
)  # fmt: skip


def _own_likelihood(added: float) -> Any:
    def loss(y: Any, p: Any) -> Any:
        p = ops.cast(p, "float16")
        y = ops.cast(y, "float16")
        small = ops.convert_to_tensor(added, "float16")
        return ops.cast(
            -ops.mean(y * ops.log(p + small) + (1 - y) * ops.log(1 - p + small), axis=-1), "float32"
        )

    return loss


class Energy(layers.Layer):  # type: ignore[misc]
    """Each sample over the root of the sum of its squares."""

    def __init__(self, mean: bool) -> None:
        super().__init__()
        self.mean = mean

    def call(self, x: Any) -> Any:
        """In the precision that it is given."""
        x = x * ops.cast(30.0, x.dtype)
        small = ops.cast(1e-3, x.dtype)
        if self.mean:
            return x / (ops.sqrt(ops.mean(ops.square(x / 30), axis=-1, keepdims=True)) * 30 + small)
        total = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return x / (ops.sqrt(total) + small) * total / (total + small)

    def compute_output_shape(self, shape: Any) -> Any:
        """As before."""
        return shape


def half(o: Options) -> trial.Trial:
    """A classifier of two sides in float16 or bfloat16."""
    rng = np.random.default_rng(173)
    x = rng.normal(size=(1000, 10))
    score = np.tanh(x @ rng.normal(size=(10, 5))) @ rng.normal(size=5)
    train, test = trial.parted(x, (score > 0)[:, None].astype(float))
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(o.get("policy", "mixed_float16"))
    try:
        inner = first = keras.Input((10,))
        for _ in range(2):
            inner = layers.Dense(48, "relu", kernel_initializer="he_normal")(inner)
        inner = Energy(o["energy"] == "mean")(inner) if "energy" in o else inner
        last = layers.Dense(1, "sigmoid", dtype="float32")(inner)
        model = keras.Model(first, last)
    finally:
        keras.config.set_dtype_policy(before)
    model.compile(trial.optimizer(o, 0.01), o.get("loss", "binary_crossentropy"))
    return trial.Trial(model, train, test, trial.bits, o.get("steps", 250), o.get("batch", 32))


HALF = Kind(
    half,
    {
        "float16": {},
        "bfloat16": {"policy": "mixed_bfloat16"},
        "energy, mean": {"energy": "mean"},
        "own logarithm": {"loss": _own_likelihood(1e-3), "steps": 150},
    },
    {
        "sum of squares": Fault(
            "energy, mean", {"energy": "sum"}, ("non_finite", "frozen_layers"),
            "https://github.com/keras-team/keras/pull/22589: values above 65,504 in float16",
        ),
        "epsilon that is 0": Fault(
            "own logarithm", {"loss": _own_likelihood(1e-9), "rate": 0.05}, ("non_finite",),
            "https://github.com/tensorflow/tensorflow/issues/38457",
        ),
    },
)  # fmt: skip


class Corner(layers.Layer):  # type: ignore[misc]
    """The root of what is above 0; `where` alone does not keep its gradient finite."""

    def __init__(self, safe: bool) -> None:
        super().__init__()
        self.safe = safe

    def call(self, x: Any) -> Any:
        """0 below 0."""
        inside = ops.where(x > 0, x, 1.0) if self.safe else ops.maximum(x, 0.0)
        return ops.where(x > 0, ops.sqrt(inside), 0.0)

    def compute_output_shape(self, shape: Any) -> Any:
        """As before."""
        return shape


class Squash(layers.Layer):  # type: ignore[misc]
    """Vectors no longer than 1 (Sabour et al. 2017)."""

    def __init__(self, added: float) -> None:
        super().__init__()
        self.added = added

    def call(self, x: Any) -> Any:
        """Length s to s^2 / (1 + s^2)."""
        squares = ops.sum(ops.square(x), axis=-1, keepdims=True)
        return squares / (1 + squares) * x / ops.sqrt(squares + self.added)

    def compute_output_shape(self, shape: Any) -> Any:
        """As before."""
        return shape


class Sign(layers.Layer):  # type: ignore[misc]
    """Plus or minus 1; its gradient is that of the identity, or none."""

    def __init__(self, straight: bool) -> None:
        super().__init__()
        self.straight = straight

    def call(self, x: Any) -> Any:
        """The sign."""
        return x + ops.stop_gradient(ops.sign(x) - x) if self.straight else ops.sign(x)

    def compute_output_shape(self, shape: Any) -> Any:
        """As before."""
        return shape


class LowRank(layers.Layer):  # type: ignore[misc]
    """A fixed dense layer with a learnt change of rank 2 that starts at 0 (Hu et al. 2022)."""

    def __init__(self, units: int, scale: float) -> None:
        super().__init__()
        self.units, self.scale = units, scale

    def build(self, shape: Any) -> None:
        """The fixed kernel and two thin ones."""
        self.fixed = self.add_weight(shape=(shape[-1], self.units), trainable=False, name="fixed")
        self.down = self.add_weight(shape=(shape[-1], 2), name="down")
        self.up = self.add_weight(shape=(2, self.units), initializer="zeros", name="up")

    def call(self, x: Any) -> Any:
        """Both together."""
        return ops.matmul(x, self.fixed) + self.scale * ops.matmul(
            ops.matmul(x, self.down), self.up
        )


def corners(o: Options) -> trial.Trial:
    """Three classes through layers of one's own."""
    rng = np.random.default_rng(179)
    centres = 1.4 * rng.normal(size=(6, 8))
    which = rng.integers(0, 6, 1000)
    x = centres[which] + 0.6 * rng.normal(size=(1000, 8))
    x[rng.random(1000) < o.get("blank", 0.0)] = 0.0
    train, test = trial.parted(x, which % 3)
    inner = first = keras.Input((8,))
    if o["layer"] == "squash":
        inner = layers.Reshape((4, 6))(layers.Dense(24, use_bias=False)(inner))
        inner = layers.Flatten()(Squash(o.get("added", 1e-6))(inner))
    elif o["layer"] == "low rank":
        for _ in range(2):
            inner = layers.ReLU()(LowRank(32, o.get("scale", 1.0))(inner))
    elif o["layer"] == "sign":
        inner = Sign(o.get("straight", True))(layers.Dense(6)(inner))
    else:
        inner = Corner(o.get("safe", True))(layers.Dense(24)(inner))
    model = keras.Model(first, layers.Dense(3, "softmax")(layers.Dense(24, "relu")(inner)))
    if o.get("fixed_head"):
        model.layers[-1].trainable = model.layers[-2].trainable = False
    model.compile(trial.optimizer(o, 0.01), "sparse_categorical_crossentropy")
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 250), o.get("batch", 32))


CORNERS = Kind(
    corners,
    {
        "root": {"layer": "root"},
        "squash": {"layer": "squash", "blank": 0.1},
        "low rank": {"layer": "low rank"},
        "low rank, fixed head": {"layer": "low rank", "fixed_head": True, "steps": 400},
        "signs": {"layer": "sign"},
    },
    {
        "root under where": Fault(
            "root", {"safe": False}, ("non_finite",), "tf.where and gradients that are not a number"
        ),
        "squash of nothing": Fault(
            "squash", {"added": 0.0}, ("non_finite",), "capsules of padding: 0 / 0"
        ),
        "signs without a way": Fault(
            "signs", {"straight": False, "steps": 250}, ("cut_gradient", "frozen_layers"),
            "binary units without a straight-through gradient",
        ),
        "scale of nothing": Fault(
            "low rank, fixed head", {"scale": 1e-7},
            ("frozen_layers", "not_learning", "vanishing_gradient", "optimizer_epsilon",
             "exploding_gradient"),
            "alpha over rank in whole numbers",
        ),
    },
)  # fmt: skip


def parity(o: Options) -> trial.Trial:
    """The parity of three signs among seven: nothing happens, then all at once."""
    rng = np.random.default_rng(181)
    x = rng.choice([-1.0, 1.0], size=(1500, 7))
    train, test = trial.parted(x, (x[:, :3].prod(axis=1) > 0)[:, None].astype(float))
    first = keras.Input((7,))
    inner = layers.Dense(48, o.get("activation", "relu"))(first)
    inner = layers.Dense(48, o.get("activation", "relu"))(inner) if o.get("two") else inner
    model = keras.Model(first, layers.Dense(1, "sigmoid")(inner))
    model.compile(trial.optimizer(o, 0.003), "binary_crossentropy")
    return trial.Trial(model, train, test, trial.bits, o.get("steps", 600), o.get("batch", 32))


PARITY = Kind(
    parity,
    {
        "late": {},
        "later": {"activation": "tanh", "steps": 900, "rate": 0.005},
        "plain steps": {"optimizer": trial.kind_of("SGD", 0.1, 0.9), "two": True},
    },
    {
        "rate a thousand times too small": Fault(
            "late", {"rate": 3e-6}, ("frozen_layers", "not_learning"), "1e-6 for 1e-3"
        ),
    },
)

KINDS = {
    "two heads": TWO_HEADS,
    "half": HALF,
    "corners": CORNERS,
    "parity": PARITY,
}
