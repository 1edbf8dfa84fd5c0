"""Words, attention, translation and sensors."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import ANY, FADED, STANDSTILL, STEPS, Fault, Kind, Options

KERAS = "https://github.com/keras-team/keras/issues/"


def reviews(o: Options) -> trial.Trial:
    """Short texts, padded: is a word of praise in it? By an LSTM or by convolutions."""
    rng = np.random.default_rng(109)
    longest = o.get("longest", 40)
    x = np.zeros((900, longest), "int64")
    y = rng.integers(0, 2, 900)
    for row, label in zip(x, y, strict=True):
        size = rng.integers(4, 9)
        words = rng.integers(20, 60, size)
        words[rng.integers(0, size)] = rng.integers(1, 6) + 6 * label
        row[:size] = words
        if o.get("padded", "after") == "before":
            row[:] = np.roll(row, longest - size)
    train, test = trial.parted(_read(x, o, rng), y[:, None].astype(float))
    first = keras.Input((longest,), dtype="float32" if o.get("raw") else "int32")
    if o.get("raw"):
        inner = layers.Dense(32, "relu")(layers.Dense(32, "relu")(first))
    else:
        more = {"embeddings_initializer": "zeros", "trainable": False} if o.get("lost") else {}
        inner = layers.Embedding(60, 12, mask_zero=o.get("mask", True), **more)(first)
        if o.get("cnn"):
            inner = layers.GlobalMaxPooling1D()(layers.Conv1D(16, 3, activation="relu")(inner))
        else:
            inner = layers.LSTM(16)(inner)
    model = keras.Model(first, layers.Dense(1, "sigmoid")(inner))
    model.compile(trial.optimizer(o, 0.01), "binary_crossentropy")
    return trial.Trial(model, train, test, trial.bits, o.get("steps", 200), o.get("batch", 32))


def _read(x: Any, o: Options, rng: Any) -> Any:
    if o.get("unknown"):
        return np.where(x > 0, 1, 0)
    return rng.permutation(20_000)[x].astype(float) if o.get("raw") else x


REVIEWS = Kind(
    reviews,
    {
        "masked": {},
        "padded before": {"mask": False, "padded": "before"},
        "convolutions": {"cnn": True, "mask": False},
        "clipped, plain steps": {"optimizer": trial.kind_of("SGD", 1.0, clipnorm=1.0),
                                 "steps": 500},
    },
    {
        "padded, not masked": Fault(
            "masked", {"mask": False, "longest": 90},
            ("vanishing_through_time", "collapsed_representation", "not_learning",
             "vanishing_signal", "vanishing_gradient"),
            KERAS + "20898",
        ),
        "every word unknown": Fault(
            "convolutions", {"unknown": True}, ("not_learning", "collapsed_representation"),
            "a tokenizer that was fitted on other text",
        ),
        "embedding that was not found": Fault(
            "masked", {"lost": True},
            ("collapsed_representation", "vanishing_signal", "symmetric_units", "cut_gradient",
             "frozen_layers", "not_learning", "unscaled_input"),
            KERAS + "1360",
        ),
        "numbers of words": Fault(
            "convolutions", {"raw": True}, ("unscaled_input", *STEPS),
            "indices of words fed to a dense layer",
        ),
    },
)  # fmt: skip


class Attention(layers.Layer):  # type: ignore[misc]
    """One head, written out, with a table of which place may see which."""

    def __init__(self, width: int, o: Options) -> None:
        super().__init__()
        self.made = [layers.Dense(width, use_bias=False) for _ in range(4)]
        self.o = o

    def build(self, shape: Any) -> None:
        """The four projections."""
        for layer in self.made:
            layer.build(shape)

    def call(self, x: Any) -> Any:
        """Softmax of products, hidden where not allowed."""
        asks, keys, given = (layer(x) for layer in self.made[:3])
        fit = ops.matmul(asks, ops.transpose(keys, (0, 2, 1))) * self.o.get("sharp", 0.25)
        size = x.shape[1]
        visible = np.tril(np.ones((size, size)), -1 if self.o.get("strict") else 0)
        if self.o.get("all", False):
            visible = np.ones((size, size))
        hidden = -np.inf if self.o.get("infinite") else -1e9
        fit = ops.where(ops.convert_to_tensor(visible > 0), fit, hidden)
        axis = self.o.get("axis", -1)
        return self.made[3](ops.matmul(ops.softmax(fit, axis=axis), given))


class Places(layers.Layer):  # type: ignore[misc]
    """A learnt vector for each place."""

    def build(self, shape: Any) -> None:
        """One row for each."""
        start = keras.initializers.RandomNormal(stddev=0.3)
        self.rows = self.add_weight(shape=shape[1:], initializer=start, name="rows")

    def call(self, x: Any) -> Any:
        """Add it."""
        return x + self.rows


def _causal_model(o: Options, words: int, size: int, each: bool) -> Any:
    first = keras.Input((size,), dtype="int32")
    start = keras.initializers.RandomNormal(stddev=o.get("embedded", 0.3))
    x = layers.Embedding(words, 16, embeddings_initializer=start)(first)
    x = x if o.get("placeless") else Places()(x)
    for _ in range(o.get("depth", 2)):
        if o.get("after"):
            x = layers.LayerNormalization()(layers.Add()([x, Attention(16, o)(x)]))
            y = layers.Dense(16)(layers.Dense(32, "relu")(x))
            x = layers.LayerNormalization()(layers.Add()([x, y]))
        else:
            x = layers.Add()([x, Attention(16, o)(layers.LayerNormalization()(x))])
            y = layers.Dense(16)(layers.Dense(32, "gelu")(layers.LayerNormalization()(x)))
            x = layers.Add()([x, y])
    x = x if o.get("after") else layers.LayerNormalization()(x)
    x = x if each else layers.GlobalAveragePooling1D()(x)
    return keras.Model(first, layers.Dense(words if each else 2)(x))


def causal(o: Options) -> trial.Trial:
    """The next sign of sequences that repeat after three to five signs."""
    rng = np.random.default_rng(113)
    size, words = 14, 8
    every = rng.integers(3, 6, 900)
    whole = np.stack([np.resize(rng.integers(0, words, n), size + 1) for n in every])
    weight = np.zeros((900, size))
    weight[:, 6:] = 1.0
    ((x, w), y), ((x_test, _), y_test) = trial.parted((whole[:, :-1], weight), whole[:, 1:])
    model = _causal_model(o, words, size, True)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(trial.optimizer(o, 0.005), loss)
    w = np.zeros_like(w) if o.get("weightless") else w
    train = (x, y, w) if o.get("weighted", True) else (x, y)

    def score(answer: Any, truth: Any) -> float:
        return trial.classes(answer[:, 6:], truth[:, 6:])

    steps = o.get("steps", 400)
    return trial.Trial(model, train, (x_test, y_test), score, steps, o.get("batch", 32))


def order(o: Options) -> trial.Trial:
    """Two marks among signs: which comes first?"""
    rng = np.random.default_rng(127)
    x = rng.integers(2, 8, (1000, 10))
    at = np.stack([rng.permutation(10)[:2] for _ in range(1000)])
    x[np.arange(1000), at[:, 0]], x[np.arange(1000), at[:, 1]] = 0, 1
    train, test = trial.parted(x, (at[:, 0] < at[:, 1]).astype("int64"))
    model = _causal_model({"all": True, **o}, 8, 10, False)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(trial.optimizer(o, 0.005), loss)
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 400), o.get("batch", 32))


LATE = trial.schedule("CosineDecay", 0.0, 400, warmup_target=0.005, warmup_steps=200)

CAUSAL = Kind(
    causal,
    {
        "norm before": {},
        "norm after, warm-up": {"after": True, "depth": 2, "optimizer": LATE, "steps": 500},
        "all places": {"weighted": False},
        "batch of 128": {"batch": 128, "steps": 250, "rate": 0.008},
        "decoupled decay": {"optimizer": trial.kind_of("AdamW", 0.005, weight_decay=0.1)},
    },
    {
        "place that sees nothing": Fault(
            "norm before", {"infinite": True, "strict": True}, ("non_finite",),
            "softmax over a row that is all -inf",
        ),
        "weights of nothing": Fault(
            "norm before", {"weightless": True},
            ("cut_gradient", "frozen_layers", "output_mismatch", "not_learning",
             "unmatched_targets"),
            KERAS + "361",
        ),
        "norm after, at once": Fault(
            "norm after, warm-up", {"optimizer": trial.kind_of("Adam", 0.3), "depth": 4},
            (*STEPS, *FADED), "Xiong et al. 2020: warm-up where the norm comes last",
        ),
        "rate of a longer training": Fault(
            "norm after, warm-up",
            {"optimizer": trial.schedule("CosineDecay", 0.0, 10**5, warmup_target=0.001,
                                         warmup_steps=10**6)},
            (*STANDSTILL, "not_learning"), "warm-up in steps of another batch size",
        ),
    },
)  # fmt: skip

ORDER = Kind(
    order,
    {"places": {}, "norm after": {"after": True, "rate": 0.002}},
    {
        "no places": Fault(
            "places", {"placeless": True}, ("not_learning",),
            "transformer without positions on a task of order",
        ),
        "sharp from the start": Fault(
            "places", {"embedded": 30.0, "after": True, "sharp": 40.0}, ANY,
            "products of wide vectors that nothing divides",
        ),
    },
)  # fmt: skip


class Plain:
    """An encoder that is no Keras layer; its weights are its own."""

    def __init__(self) -> None:
        import tensorflow as tf

        rng = np.random.default_rng(1)
        self.table = tf.Variable(0.1 * rng.normal(size=(12, 2)).astype("float32"))


class Hidden(layers.Layer):  # type: ignore[misc]
    """Looks words up in an object that Keras does not follow."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = Plain()

    def call(self, x: Any) -> Any:
        """Rows of the table."""
        return ops.take(ops.convert_to_tensor(self.inner.table), x, axis=0)

    def compute_output_shape(self, shape: Any) -> Any:
        """A vector for each word."""
        return (*shape, 2)


def translator(o: Options) -> trial.Trial:
    """Encoder and decoder: a sentence backwards in another alphabet; the decoder sees the past."""
    rng = np.random.default_rng(131)
    x = rng.integers(1, 12, (1000, 5))
    table = np.concatenate([[0], 1 + rng.permutation(11)])
    y = table[x[:, ::-1]]
    before = np.concatenate([np.zeros((1000, 1), int), y[:, :-1]], axis=1)
    train, test = trial.parted((x, before), y)
    ends = keras.Input((5,), dtype="int32"), keras.Input((5,), dtype="int32")
    source = Hidden()(ends[0]) if o.get("hidden") else layers.Embedding(
        12, 2 if o.get("two") else 12)(ends[0])  # fmt: skip
    states, *state = layers.LSTM(32, return_sequences=True, return_state=True)(source)
    if o.get("cut"):
        states, state = (ops.stop_gradient(states), [ops.stop_gradient(part) for part in state])
    known = layers.Embedding(12, 12)(ends[1])
    inner = layers.LSTM(32, return_sequences=True)(known, initial_state=state)
    around = layers.Attention()([inner, states])
    last = layers.Dense(12, "softmax")(layers.Concatenate()([inner, around]))
    model = keras.Model(ends, last)
    model.compile(trial.optimizer(o, 0.01), "sparse_categorical_crossentropy")
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 300), o.get("batch", 32))


TRANSLATOR = Kind(
    translator,
    {"plain": {}, "small steps first": {
        "optimizer": trial.schedule("CosineDecay", 0.0, 200, warmup_target=0.015,
                                    warmup_steps=100)},
     "two numbers a word": {"two": True, "steps": 400}},
    {
        "words outside of Keras": Fault(
            "two numbers a word", {"hidden": True}, ("untracked_variables",),
            "variables in an object that is no layer",
        ),
        "encoder cut off": Fault(
            "plain", {"cut": True}, ("cut_gradient",), "states passed on through numpy",
        ),
    },
)  # fmt: skip


def sensor(o: Options) -> trial.Trial:
    """A recurrent network on a series; the target is its level."""
    rng = np.random.default_rng(137)
    steps = o.get("long", 30)
    x = rng.normal(size=(800, steps, 2))
    y = (x[:, :, 0] * (x[:, :, 1] > 0)).mean(axis=1, keepdims=True)
    x, y = x * o.get("times", 1.0) + o.get("plus", 0.0), y / y.std()
    y = y * o.get("target", 1.0) + o.get("plus", 0.0)
    train, test = trial.parted(x, y)
    first = keras.Input((steps, 2))
    more: dict[str, Any] = {"activation": o.get("activation", "tanh")}
    if o.get("identity"):
        more["recurrent_initializer"] = keras.initializers.Identity(o["identity"])
    inner = getattr(layers, o.get("cell", "GRU"))(24, **more)(first)
    model = keras.Model(first, layers.Dense(1)(inner))
    model.compile(trial.optimizer(o, 0.01), "mse")
    return trial.Trial(model, train, test, trial.values, o.get("steps", 300), o.get("batch", 32))


SENSOR = Kind(
    sensor,
    {
        "gated": {},
        "rectified identity": {
            "cell": "SimpleRNN", "activation": "relu", "identity": 1.0, "rate": 0.001,
            "steps": 500, "more": {"clipnorm": 1.0},
        },
        "long memory": {"cell": "LSTM", "steps": 400},
        "large batch": {"batch": 256, "rate": 0.03, "steps": 150},
    },
    {
        "rectified and growing": Fault(
            "rectified identity", {"identity": 1.6, "rate": 0.01, "more": {}, "long": 60},
            (*STEPS, "exploding_gradient", "initializer_mismatch", "unscaled_targets"),
            "LSTM with activation='relu' gives nan",
        ),
        "prices as they are": Fault(
            "gated", {"times": 4000.0, "plus": 40000.0, "target": 4000.0, "rate": 0.001},
            ("unscaled_input", "unscaled_targets", "saturated_units", "output_mismatch",
             "vanishing_gradient"),
            "https://stackoverflow.com/questions/: LSTM predicts a constant price",
        ),
    },
)  # fmt: skip

KINDS = {
    "reviews": REVIEWS,
    "causal": CAUSAL,
    "order": ORDER,
    "translator": TRANSLATOR,
    "sensor": SENSOR,
}
