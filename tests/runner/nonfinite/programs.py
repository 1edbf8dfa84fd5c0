"""Small networks that lose a value at one operation, each with its repaired twin.

After public reports of NaN in Keras: each kind of operation once, at the edge of its domain.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers as L  # noqa: N812
from keras import ops

from gradscope.record.nonfinite_origin import OperationKind, OriginPlace

Data = tuple[Any, Any]


@dataclass(frozen=True)
class Program:
    """A network that loses a value; `build(repaired)` gives the model and its data.

    `words` stand in the finding, `remedy` in what is advised against it; "" where none is.
    """

    build: Callable[[bool], tuple[Any, Data]]
    place: OriginPlace
    layer: str
    kind: OperationKind
    words: tuple[str, ...]
    remedy: str
    steps: int = 3


class Call(L.Layer):  # type: ignore[misc]
    """A layer that computes what it is given."""

    def __init__(self, function: Callable[..., Any], **options: Any) -> None:
        super().__init__(**options)
        self.function = function

    def call(self, *inputs: Any) -> Any:
        return self.function(*inputs)


def samples(width: int = 4, count: int = 64) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(count, width)).astype("float32")
    return x, (x[:, :1] > 0).astype("float32")


def chain(*stack: Any, loss: Any = "binary_crossentropy", optimizer: Any = None) -> Any:
    net = keras.Sequential([*stack])
    net.compile(optimizer or keras.optimizers.SGD(0.01), loss)
    return net


def end(**options: Any) -> Any:
    return L.Dense(1, activation="sigmoid", name="out", **options)


def norm_at_zero(repaired: bool) -> tuple[Any, Data]:
    x, y = samples(count=640)
    x[::20] = 0

    def norm(z: Any) -> Any:
        return ops.sqrt(ops.sum(ops.square(z), -1, keepdims=True) + (1e-6 if repaired else 0.0))

    hidden = L.Dense(8, activation="relu", name="hidden")
    return chain(hidden, Call(norm, name="norm"), end()), (x, y)


def log_of_one(repaired: bool) -> tuple[Any, Data]:
    rng = np.random.default_rng(1)
    y = rng.integers(0, 2, (2000, 1)).astype("float32")
    x = (rng.normal(size=(2000, 10)) + 2.5 * (2 * y - 1)).astype("float32")

    def by_hand(y: Any, p: Any) -> Any:
        p = ops.clip(p, 1e-7, 1 - 1e-7) if repaired else p
        return -ops.mean(y * ops.log(p) + (1 - y) * ops.log(1 - p), axis=-1)

    stack = [L.Dense(64, activation="relu"), L.Dense(64, activation="relu"), end()]
    return chain(*stack, loss=by_hand, optimizer=keras.optimizers.Adam(3e-3)), (x, y)


def mask_in_half(repaired: bool) -> tuple[Any, Data]:
    low = -1e4 if repaired else -1e9

    def mask(z: Any) -> Any:
        return ops.softmax(z + ops.cast(z < 0, z.dtype) * ops.cast(low, z.dtype))

    half = "mixed_float16"
    stack = [
        L.Dense(16, name="scores", dtype=half),
        Call(mask, name="mask", dtype=half),
        L.Dense(16, activation="relu", name="after", dtype=half),
        end(dtype="float32"),
    ]
    optimizer = keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-3))
    return chain(*stack, optimizer=optimizer), samples(8, 640)


def rmse_by_hand(repaired: bool) -> tuple[Any, Data]:
    def rmse(y: Any, p: Any) -> Any:
        return ops.sqrt(ops.mean(ops.square(y - p), -1) + (1e-6 if repaired else 0.0))

    x, _ = samples()
    last = L.Dense(1, kernel_initializer="zeros", name="out")
    return chain(L.Dense(8, activation="tanh"), last, loss=rmse), (x, np.zeros((64, 1), "float32"))


def log_in_the_branch_not_taken(repaired: bool) -> tuple[Any, Data]:
    def safe_log(z: Any) -> Any:
        inside = ops.where(z > 0, z, 1.0) if repaired else z
        return ops.where(z > 0, ops.log(inside), 0.0)

    hidden = L.Dense(8, activation="relu", name="hidden")
    return chain(hidden, Call(safe_log, name="logged"), end()), samples()


def root_of_negative(repaired: bool) -> tuple[Any, Data]:
    root = Call(lambda z: ops.sqrt(ops.relu(z) + 1e-6 if repaired else z), name="root")
    return chain(L.Dense(8, name="hidden"), root, end()), samples()


def sampling_of_a_wide_posterior(repaired: bool) -> tuple[Any, Data]:
    wide = Call(lambda z: 200 * z, name="wide")

    def sample(z: Any) -> Any:
        mean, log_variance = ops.split(z, 2, axis=-1)
        log_variance = ops.clip(log_variance, -20, 20) if repaired else log_variance
        return mean + ops.exp(log_variance)

    start = keras.initializers.RandomUniform(0.5, 1.5, seed=1)
    hidden = L.Dense(4, name="latent", kernel_initializer=start)
    return chain(wide, hidden, Call(sample, name="sampling"), end()), samples()


def distance_of_equal_inputs(repaired: bool) -> tuple[Any, Data]:
    x, _ = samples()
    other = x.copy()
    other[8:] += 1.0
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    tower = L.Dense(3, name="tower")

    def distance(a: Any, b: Any) -> Any:
        return ops.sqrt(ops.sum(ops.square(a - b), -1, keepdims=True) + 1e-6 * repaired)

    apart = Call(distance, name="distance")(tower(left), tower(right))
    net = keras.Model([left, right], apart)
    net.compile("sgd", "mse")
    return net, ([x, other], (np.arange(64) < 8).astype("float32")[:, None])


def mean_over_an_empty_mask(repaired: bool) -> tuple[Any, Data]:
    x, y = samples(6)
    x[:5] = -1.0

    def masked(z: Any) -> Any:
        kept = ops.cast(z > 0, z.dtype)
        count = ops.sum(kept, -1, keepdims=True)
        return ops.sum(z * kept, -1, keepdims=True) / (ops.maximum(count, 1) if repaired else count)

    return chain(Call(masked, name="pool"), L.Dense(8, activation="tanh"), end()), (x, y)


def constant_feature_scaled(repaired: bool) -> tuple[Any, Data]:
    x, y = samples()
    x[:, 2] = 3.0

    def standardize(z: Any) -> Any:
        deviation = ops.std(z, axis=0, keepdims=True) + (1e-6 if repaired else 0.0)
        return (z - ops.mean(z, axis=0, keepdims=True)) / deviation

    return chain(Call(standardize, name="scale"), L.Dense(8, activation="tanh"), end()), (x, y)


def sum_in_half(repaired: bool) -> tuple[Any, Data]:
    x, y = samples(8)
    dtype = "float32" if repaired else "float16"
    total = Call(
        lambda z: ops.sum(ops.square(100 * z), -1, keepdims=True), name="energy", dtype=dtype
    )
    scaled = Call(lambda z: ops.cast(z, "float32") * 1e-6, name="scaled", dtype="float32")
    return chain(L.Dense(8, name="hidden"), total, scaled, end(dtype="float32")), (x, y)


def row_masked_whole(repaired: bool) -> tuple[Any, Data]:
    x, y = samples(6)
    x[3] = -1.0
    low = -1e9 if repaired else -np.inf
    masked = Call(lambda z: ops.softmax(ops.where(z > 0, z, low)), name="attend")
    return chain(masked, L.Dense(8, activation="tanh"), end()), (x, y)


def log_of_softmax(repaired: bool) -> tuple[Any, Data]:
    x, y = samples(4)
    wide = Call(lambda z: 300 * z, name="wide")
    kernel = np.tile(np.array([1.0, -1.0], "float32"), (4, 1))

    def by_hand(y: Any, p: Any) -> Any:
        p = ops.clip(p, 1e-7, 1 - 1e-7) if repaired else p
        return -ops.sum(y * ops.log(p), -1)

    last = L.Dense(2, activation="softmax", kernel_initializer=lambda *_, **__: kernel, name="out")
    return chain(wide, last, loss=by_hand), (x, np.concatenate([y, 1 - y], -1))


def inside_a_block(repaired: bool) -> tuple[Any, Data]:
    class Block(L.Layer):  # type: ignore[misc]
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            self.inner = L.Dense(4, activation="relu", name="inner")

        def call(self, z: Any) -> Any:
            h = self.inner(z)
            return h / (ops.sum(h, -1, keepdims=True) + 1e-6 * repaired)

    x, y = samples()
    x[:4] = 0.0
    return chain(L.Dense(4, use_bias=False), Block(name="block"), end()), (x, y)


def inside_a_function(repaired: bool) -> tuple[Any, Data]:
    @tf.function(autograph=False)
    def inverse(z: Any) -> Any:
        return 1.0 / (z + 1e-3 if repaired else z)

    x, y = samples()
    x[0] = 0.0
    hidden = L.Dense(4, activation="relu", use_bias=False, name="hidden")
    return chain(hidden, Call(inverse, name="inverse"), end()), (x, y)


def far_too_large_steps(repaired: bool) -> tuple[Any, Data]:
    x, y = samples()
    stack = [L.Dense(16, activation="relu"), L.Dense(16, activation="relu"), L.Dense(1)]
    rate = keras.optimizers.SGD(1e-3 if repaired else 1e3)
    return chain(*stack, loss="mse", optimizer=rate), (x, y)


def weights_of_nan(repaired: bool) -> tuple[Any, Data]:
    start = keras.initializers.Constant(0.1 if repaired else np.nan)
    return chain(L.Dense(4, name="first"), L.Dense(4, kernel_initializer=start, name="second"),
                 end()), samples()  # fmt: skip


def epsilon_of_zero(repaired: bool) -> tuple[Any, Data]:
    x, y = samples()
    x[:, 1] = 0.0  # no gradient for these weights: 0 / 0
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-7 if repaired else 0.0)
    return chain(L.Dense(8, activation="tanh", name="first"), end(), optimizer=optimizer), (x, y)


_ROOT, _LOG = OperationKind.ROOT, OperationKind.LOGARITHM
_DIVISION, _OVERFLOW = OperationKind.DIVISION, OperationKind.OVERFLOW
_FORWARD, _BACKWARD, _LOSS = OriginPlace.FORWARD, OriginPlace.BACKWARD, OriginPlace.LOSS

PROGRAMS = (
    Program(norm_at_zero, _BACKWARD, "norm", _ROOT, ("sqrt at 0", "derivative is inf"), "1e-6"),
    Program(
        log_of_one, _LOSS, "", _LOG, ("reached exactly 1", "log(0)"), "binary_crossentropy", 400
    ),
    Program(mask_in_half, _FORWARD, "mask", _OVERFLOW, ("float16", "65,504"), "dtype='float32'"),
    Program(rmse_by_hand, _BACKWARD, "", _ROOT, ("sqrt at 0", "The loss"), "1e-6"),
    Program(log_in_the_branch_not_taken, _BACKWARD, "logged", _LOG, ("log of 0",), "1e-7"),
    Program(root_of_negative, _FORWARD, "root", _ROOT, ("sqrt of negative",), "1e-6"),
    Program(
        sampling_of_a_wide_posterior,
        _FORWARD,
        "sampling",
        OperationKind.EXPONENTIAL,
        ("exp of up to", "88.7"),
        "clip",
    ),
    Program(distance_of_equal_inputs, _BACKWARD, "distance", _ROOT, ("sqrt at 0",), "1e-6"),
    Program(mean_over_an_empty_mask, _FORWARD, "pool", _DIVISION, ("divides by 0",), "divisor"),
    Program(constant_feature_scaled, _FORWARD, "scale", _DIVISION, ("divides by 0",), "divisor"),
    Program(sum_in_half, _FORWARD, "energy", _OVERFLOW, ("float16", "65,504"), "float32"),
    Program(row_masked_whole, _FORWARD, "attend", OperationKind.SOFTMAX, ("-Inf alone",), "-1e9"),
    Program(log_of_softmax, _LOSS, "", _LOG, ("reached exactly 0", "log(0)"), "clip"),
    Program(inside_a_block, _FORWARD, "block", _DIVISION, ("divides by 0",), "divisor"),
    Program(inside_a_function, _FORWARD, "inverse", OperationKind.OTHER, ("inverse",), ""),
    Program(
        far_too_large_steps, _BACKWARD, "*", _OVERFLOW, ("times its size",), "learning_rate", 40
    ),
    Program(
        weights_of_nan, OriginPlace.WEIGHTS, "second", OperationKind.OTHER, ("before any",), ""
    ),
    Program(
        epsilon_of_zero,
        OriginPlace.UPDATE,
        "first",
        OperationKind.OTHER,
        ("epsilon is 0",),
        "1e-07",
    ),
)
