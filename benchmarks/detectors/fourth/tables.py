"""Classes and prices of rows of a table."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import ANY, STANDSTILL, STEPS, Fault, Kind, Options

FORUM = "https://stackoverflow.com/questions/"
KERAS = "https://github.com/keras-team/keras/issues/"


def _clusters(o: Options) -> tuple[Any, Any]:
    """Six classes of two clusters each, or of two classes."""
    rng = np.random.default_rng(41)
    count = 12
    centres = 1.5 * rng.normal(size=(count, 10))
    which = rng.integers(0, count, 1000)
    x = centres[which] + 0.6 * rng.normal(size=(1000, 10))
    return x, which % int(o.get("classes", 6))


def _hidden(o: Options, x: Any) -> Any:
    for _ in range(o.get("depth", 2)):
        x = layers.Dense(
            48,
            kernel_initializer="he_normal",
            bias_initializer=keras.initializers.Constant(o.get("bias", 0.0)),
            activity_regularizer=keras.regularizers.L1(o["active"]) if "active" in o else None,
        )(x)
        x = layers.BatchNormalization(momentum=0.9)(x) if o.get("norm") else x
        x = layers.Activation("relu")(x)
        x = layers.Dropout(o["dropout"])(x) if "dropout" in o else x
    return x


class Jitter(layers.Layer):  # type: ignore[misc]
    """Normal noise in training; a `stddev` above 1, which Keras's own layer does not take."""

    def __init__(self, stddev: float) -> None:
        super().__init__()
        self.stddev = stddev
        self.seed = keras.random.SeedGenerator(11)

    def call(self, x: Any, training: bool = False) -> Any:
        """Add it."""
        if not training:
            return x
        return x + self.stddev * keras.random.normal(ops.shape(x), seed=self.seed)

    def compute_output_shape(self, shape: Any) -> Any:
        """As before."""
        return shape


def _streamed(x: Any, y: Any, o: Options) -> Any:
    """A data set of batches: shuffled, or inputs and labels shuffled apart."""
    if o["stream"] == "apart":
        inputs = tf.data.Dataset.from_tensor_slices(x).shuffle(1000, seed=1)
        targets = tf.data.Dataset.from_tensor_slices(y).shuffle(1000, seed=2)
        return tf.data.Dataset.zip((inputs, targets)).batch(32)
    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(1000, seed=1).batch(32)


def tickets(o: Options) -> trial.Trial:
    """A classifier of two hidden layers."""
    x, y = _clusters(o)
    missing = np.random.default_rng(5).random(len(x)) < o.get("missing", 0.0)
    x[missing, 3] = np.nan
    (x, y), test = trial.parted(x, y)
    score = trial.classes
    first = keras.Input((10,))
    inner = Jitter(o["noise"])(first) if "noise" in o else first
    count = int(o.get("classes", 6))
    units = 1 if count == 2 else count
    head = o.get("head_scale")
    start = keras.initializers.RandomNormal(stddev=head) if head else "glorot_uniform"
    last = layers.Dense(
        units, "sigmoid" if count == 2 else "softmax", kernel_initializer=start, name="head"
    )(_hidden(o, inner))
    model = keras.Model(first, last)
    loss = o.get("loss", "binary_crossentropy" if count == 2 else "sparse_categorical_crossentropy")
    if count == 2:
        y = y[:, None].astype("float32") + o.get("from", 0)
        test = (test[0], test[1][:, None].astype("float32"))
        score = trial.bits
    if o.get("one_hot"):
        y = np.eye(count, dtype="float32")[y]
    if o.get("mixed"):
        rng = np.random.default_rng(3)
        other, share = rng.permutation(len(x)), rng.beta(0.4, 0.4, (len(x), 1)).astype("float32")
        x, y = share * x + (1 - share) * x[other], share * y + (1 - share) * y[other]
    model.compile(trial.optimizer(o), loss)
    train = _streamed(x, y, o) if "stream" in o else (x, y)
    return trial.Trial(model, train, test, score, o.get("steps", 200), o.get("batch", 32))


SMOOTH: Any = keras.losses.CategoricalCrossentropy(label_smoothing=0.3)
TWO: Options = {"classes": 2, "steps": 300}
NORMED: Options = {"norm": True, "steps": 300, "rate": 0.003}

TICKETS = Kind(
    tickets,
    {
        "plain": {},
        "label smoothing": {"one_hot": True, "loss": SMOOTH},
        "mixed samples": {"one_hot": True, "mixed": True, "loss": "categorical_crossentropy"},
        "squared error of classes": {"one_hot": True, "loss": "mse"},
        "decoupled decay": {"optimizer": trial.kind_of("AdamW", 0.01, weight_decay=0.3)},
        "long warm-up": {
            "optimizer": trial.schedule(
                "CosineDecay", 0.0, 150, warmup_target=0.02, warmup_steps=150
            ),
            "steps": 300,
        },
        "restarts": {"optimizer": trial.schedule("CosineDecayRestarts", 0.02, 60)},
        "accumulates eight": {"more": {"gradient_accumulation_steps": 8}, "steps": 600},
        "averaged": {"more": {"use_ema": True, "ema_momentum": 0.95}},
        "batch of two": {"batch": 2, "steps": 600, "rate": 0.002},
        "half dead": {"bias": -1.2},
        "five steps": {"steps": 12, "proof": {"steps": 200}},
        "creeping": {"rate": 3e-5, "steps": 100, "proof": {"rate": 0.01}},
        "some dropout": {"dropout": 0.5, "steps": 400},
        "two sides": TWO,
        "normed": NORMED,
        "streamed": {"stream": "shuffled"},
        "momentum, no Adam": {"optimizer": trial.kind_of("SGD", 0.02, momentum=0.95)},
        "one-sided clipping": {"optimizer": trial.kind_of("SGD", 0.5, clipnorm=0.05)},
    },
    {
        "dropout for keep": Fault(
            "plain", {"dropout": 0.97}, ANY, FORUM + "keep_prob against rate of dropout"
        ),
        "activity penalty": Fault("plain", {"active": 3.0}, ANY, "keras.io: regularizers"),
        "decay of thirty": Fault(
            "plain",
            {"optimizer": trial.kind_of("AdamW", 0.01, weight_decay=40.0)},
            ANY,
            KERAS + "decoupled weight decay as if it were L2",
        ),
        "noise in raw units": Fault("plain", {"noise": 60.0}, ANY, "stddev in raw units"),
        "cosine in epochs": Fault(
            "plain",
            {"optimizer": trial.schedule("CosineDecay", 0.003, 5)},
            (*STANDSTILL, "not_learning"),
            FORUM + "decay_steps given in epochs",
        ),
        "warm-up longer than training": Fault(
            "long warm-up",
            {
                "optimizer": trial.schedule(
                    "CosineDecay", 0.0, 10**6, warmup_target=0.001, warmup_steps=10**6
                )
            },
            (*STANDSTILL, "not_learning"),
            "tensorflow.org/text/tutorials/transformer: warm-up of 4,000 steps",
        ),
        "accumulates two thousand": Fault(
            "plain",
            {"more": {"gradient_accumulation_steps": 2000}},
            (*STANDSTILL, "not_learning"),
            KERAS + "gradient_accumulation_steps",
        ),
        "average overwrites": Fault(
            "averaged",
            {"more": {"use_ema": True, "ema_momentum": 0.9999, "ema_overwrite_frequency": 1}},
            (*STANDSTILL, "not_learning"),
            "keras.io/api/optimizers: ema_overwrite_frequency",
        ),
        "saturated squares": Fault(
            "squared error of classes",
            {"head_scale": 40.0},
            ("saturated_output", "initializer_mismatch", "saturated_units", "vanishing_gradient",
             "exploding_signal", "cut_gradient", "frozen_layers"),
            "stats.stackexchange.com 352036: initial loss far above chance",
        ),
        "norm of one sample": Fault(
            "normed",
            {"batch": 1},
            ("batch_norm_small_batch", "constant_normalization", "cut_gradient",
             "batch_norm_inference_gap", "collapsed_representation"),
            KERAS + "batch size 1 with BatchNormalization",
        ),
        "shuffled apart": Fault(
            "streamed", {"stream": "apart"}, ("not_learning", "unmatched_targets"), KERAS + "7702"
        ),
        "categorical loss of one output": Fault(
            "two sides",
            {"loss": "categorical_crossentropy"},
            ("output_mismatch", "cut_gradient", "frozen_layers", "unmatched_targets"),
            FORUM + "loss 0 from the first epoch on",
        ),
        "labels 1 and 2": Fault(
            "two sides", {"from": 1}, ("output_mismatch", "diverging_loss"), FORUM + "negative loss"
        ),
        "missing values": Fault(
            "plain", {"missing": 0.02}, ("non_finite",), KERAS + "14490"
        ),
    },
)  # fmt: skip


def _no_square(y: Any, p: Any) -> Any:
    return ops.mean(y - p, axis=-1)


def _explained(y: Any, p: Any) -> Any:
    y = ops.reshape(y, ops.shape(p))
    return ops.mean(ops.square(y - p)) / (ops.var(y) + 1e-3) - 1.0


def _pinball(y: Any, p: Any) -> Any:
    return ops.mean(ops.maximum(0.7 * (y - p), 0.3 * (p - y)), axis=-1)


def prices(o: Options) -> trial.Trial:
    """A regression on columns of one scale."""
    rng = np.random.default_rng(43)
    x = rng.normal(size=(1000, 7))
    value = np.sin(x[:, :1] * 1.2) + 0.6 * x[:, 1:2] * np.tanh(x[:, 2:3]) + 0.4 * x[:, 3:4]
    value = value / value.std()
    value = value + o.get("noise", 0.1) * rng.normal(size=value.shape)
    x = (
        np.concatenate([x, 1.6e9 + 3e7 * rng.normal(size=(1000, 1))], axis=1)
        if "stamps" in o
        else x
    )
    if "empty" in o:
        with np.errstate(divide="ignore"):
            x[:, 5] = np.log(np.maximum(x[:, 5] + 1.5, 0.0))
    if o.get("guarded"):
        x[:, 5] = np.log(np.maximum(x[:, 5] + 1.5, 0.05))
    y = value * o.get("times", 1.0) + o.get("plus", 0.0)
    (x, y), test = trial.parted(x, y)
    if o.get("wrong_axis"):
        y = (y - y.mean(axis=1, keepdims=True)) / (y.std(axis=1, keepdims=True) + 1e-6)
    first = keras.Input((x.shape[1],))
    body = _hidden(o, first)
    last = layers.Dense(1, o.get("head"))(body)
    last = layers.Rescaling(*o["rescaled"])(last) if "rescaled" in o else last
    model = keras.Model(first, last)
    model.compile(trial.optimizer(o), o.get("loss", "mse"))
    return trial.Trial(
        model, (x, y), test, trial.values, o.get("steps", 300), o.get("batch", 32),
        1.0 / (1.0 + o.get("noise", 0.1) ** 2),
    )  # fmt: skip


EUROS: Options = {"times": 1.1e5, "plus": 3.2e5}

PRICES = Kind(
    prices,
    {
        "scaled": {},
        "rescaled inside": {**EUROS, "rescaled": (1.1e5, 3.2e5)},
        "in thousands": {"times": 30.0, "plus": 90.0, "rate": 0.02, "steps": 600},
        "mostly noise": {"noise": 1.6, "batch": 64, "steps": 150, "rate": 0.003},
        "minus one": {"loss": _explained},
        "seven tenths": {"loss": _pinball},
        "bounded": {"times": 0.3, "head": "tanh"},
        "logarithm of an area": {"guarded": True},
        "slow start": {"optimizer": trial.kind_of("SGD", 0.002), "steps": 1000,
                       "proof": {"optimizer": trial.kind_of("SGD", 0.05)}},
        "squares of cents": {"loss": "mse", "times": 100.0, "rate": 0.05, "steps": 600,
                             "batch": 64},
        "hinges": {"loss": "huber", "optimizer": trial.kind_of("RMSprop", 0.003)},
    },
    {
        "euros, plain steps": Fault(
            "rescaled inside", {"rescaled": (1.0, 0.0), "optimizer": trial.kind_of("SGD", 0.01)},
            ("unscaled_targets", "output_mismatch", *STEPS), FORUM + "37232782",
        ),
        "euros": Fault(
            "rescaled inside", {"rescaled": (1.0, 0.0), "rate": 0.001},
            ("unscaled_targets", "output_mismatch"), FORUM + "regression on house prices",
        ),
        "no square": Fault(
            "scaled", {"loss": _no_square},
            ("unmatched_targets", "output_mismatch", "diverging_loss", "not_learning",
             "exploding_signal", "unstable_updates"),
            "own loss without a square",
        ),
        "cosine of one number": Fault(
            "scaled", {"loss": "cosine_similarity"},
            ("output_mismatch", "cut_gradient", "not_learning", "frozen_layers",
             "unmatched_targets"),
            "keras.io cosine_similarity on one output",
        ),
        "time stamps": Fault(
            "scaled", {"stamps": True, "optimizer": trial.kind_of("SGD", 0.01)},
            ("unscaled_input", *STEPS), FORUM + "unix time as a feature",
        ),
        "logarithm of no area": Fault(
            "logarithm of an area", {"guarded": False, "empty": True}, ("non_finite",),
            "log of a column that holds 0",
        ),
        "standardized over the wrong axis": Fault(
            "scaled", {"wrong_axis": True}, ANY, "mean over axis=1 of (samples, 1)"
        ),
    },
)  # fmt: skip

KINDS = {"tickets": TICKETS, "prices": PRICES}
