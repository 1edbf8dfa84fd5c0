"""Pairs, triplets, embeddings of ids, graphs, experts, survival."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import FADED, STEPS, Fault, Kind, Options

GITHUB = "https://github.com/"


class Distance(layers.Layer):  # type: ignore[misc]
    """The Euclidean distance of two embeddings."""

    def __init__(self, added: float) -> None:
        super().__init__()
        self.added = added

    def call(self, pair: Any) -> Any:
        """The root of the sum of squares."""
        squares = ops.sum(ops.square(pair[0] - pair[1]), axis=-1, keepdims=True)
        return ops.sqrt(squares + self.added)

    def compute_output_shape(self, shapes: Any) -> Any:
        """One number."""
        return (*shapes[0][:-1], 1)


def _tower(o: Options) -> Any:
    return keras.Sequential(
        [
            keras.Input((12,)),
            layers.Dense(32, "relu", kernel_initializer="he_normal"),
            layers.Dense(32, "relu", kernel_initializer="he_normal"),
            layers.Dense(8, o.get("last")),
        ],
        name="tower",
    )


def _people(rng: Any, count: int, who: Any) -> Any:
    """Pictures of people: a nonlinear view of who it is, with noise."""
    inner = np.random.default_rng(2).normal(size=(count, 4))
    view = np.random.default_rng(3).normal(size=(4, 12))
    return np.tanh(inner[who] @ view) + 0.35 * rng.normal(size=(len(who), 12))


def _contrastive(y: Any, distance: Any) -> Any:
    far = ops.square(ops.maximum(1.0 - distance, 0.0))
    return ops.mean(y * ops.square(distance) + (1.0 - y) * far, axis=-1)


def siamese(o: Options) -> trial.Trial:
    """Two pictures through one tower: are they of one person?"""
    rng = np.random.default_rng(47)
    who = rng.integers(0, 8, 1200)
    same = rng.random(1200) < 0.5
    other = np.where(same, who, (who + rng.integers(1, 8, 1200)) % 8)
    left, right = _people(rng, 8, who), _people(rng, 8, other)
    if o.get("copies"):
        twice = same & (rng.random(1200) < 0.2)
        right[twice] = left[twice]
    train, test = trial.parted((left, right), same[:, None].astype(float))
    ends = keras.Input((12,)), keras.Input((12,))
    tower = _tower(o)
    near = Distance(o.get("added", 1e-6))([tower(ends[0]), tower(ends[1])])
    model = keras.Model(ends, near)
    model.compile(trial.optimizer(o, 0.003), _contrastive)
    return trial.Trial(
        model, train, test, lambda a, y: trial.ranks(-a, y), o.get("steps", 250), o.get("batch", 32)
    )


SIAMESE = Kind(
    siamese,
    {
        "plain": {},
        "copies": {"copies": True},
        "batch of eight": {"batch": 8, "steps": 500, "rate": 0.002},
        "bounded": {"last": "tanh"},
    },
    {
        "root of equal pictures": Fault(
            "copies", {"added": 0.0}, ("non_finite",),
            GITHUB + "adambielski/siamese-triplet/issues/18",
        ),
        "collapse": Fault(
            "plain", {"rate": 3.0},
            (*STEPS, "collapsed_representation", "not_learning", "saturated_units"),
            GITHUB + "omoindrot/tensorflow-triplet-loss/issues/38",
        ),
    },
)  # fmt: skip


def _margin(y: Any, p: Any) -> Any:
    return ops.mean(ops.maximum(p[:, :1] - p[:, 1:] + 0.5, 0.0), axis=-1) + 0.0 * ops.mean(y)


def triplet(o: Options) -> trial.Trial:
    """Anchor, another picture of the same person, a picture of someone else; no real targets."""
    rng = np.random.default_rng(53)
    who = rng.integers(0, 8, 1200)
    other = (who + rng.integers(1, 8, 1200)) % 8
    shown = [_people(rng, 8, person) for person in (who, who, other)]
    if o.get("copies"):
        rows = rng.random(1200) < 0.2
        shown[1][rows] = shown[0][rows]
    train, test = trial.parted(tuple(shown), np.zeros((1200, 1)))
    ends = [keras.Input((12,)) for _ in range(3)]
    tower = _tower(o)
    embedded = [tower(end) for end in ends]
    if o.get("unit"):
        embedded = [layers.UnitNormalization()(part) for part in embedded]
    added = o.get("added", 1e-6)
    near, far = (Distance(added)([embedded[0], part]) for part in embedded[1:])
    model = keras.Model(ends, layers.Concatenate()([near, far]))
    model.compile(trial.optimizer(o, 0.003), _margin)

    def score(answer: Any, _: Any) -> float:
        won = np.mean(answer[:, 0] < answer[:, 1]) if np.isfinite(answer).all() else 0.5
        return max(0.0, 2.0 * float(won) - 1.0)

    return trial.Trial(model, train, test, score, o.get("steps", 250), o.get("batch", 32))


TRIPLET = Kind(
    triplet,
    {"plain": {}, "on the sphere": {"unit": True}, "copies": {"copies": True}},
    {
        "collapse": Fault(
            "plain", {"optimizer": trial.kind_of("SGD", 30.0, momentum=0.9)},
            (*STEPS, "collapsed_representation", "not_learning"),
            GITHUB + "omoindrot/tensorflow-triplet-loss/issues/50",
        ),
    },
)  # fmt: skip


def skip_gram(o: Options) -> trial.Trial:
    """Two words: do they stand together? Their vectors' product answers."""
    rng = np.random.default_rng(59)
    topic = rng.integers(0, 4, 60)
    pair = rng.integers(0, 60, (2500, 2))
    together = topic[pair[:, 0]] == topic[pair[:, 1]]
    kept = together | (rng.random(2500) < 0.35)
    pair, together = pair[kept], together[kept]
    train, test = trial.parted((pair[:, :1], pair[:, 1:]), together[:, None].astype(float))
    ends = keras.Input((1,), dtype="int32"), keras.Input((1,), dtype="int32")
    start = o.get("start", "uniform")
    embedded = [
        layers.Flatten()(layers.Embedding(60, 6, embeddings_initializer=start)(end)) for end in ends
    ]
    last = layers.Activation("sigmoid")(layers.Dot(1)(embedded))
    model = keras.Model(ends, last)
    model.compile(trial.optimizer(o, 0.03), "binary_crossentropy")
    return trial.Trial(model, train, test, trial.bits, o.get("steps", 300), o.get("batch", 64))


SKIP_GRAM = Kind(
    skip_gram,
    {
        "plain": {},
        "unit vectors": {"start": "random_normal", "steps": 400},
        "adagrad": {"optimizer": trial.kind_of("Adagrad", 0.5)},
    },
    {
        "zeros": Fault(
            "plain", {"start": "zeros"},
            ("symmetric_units", "cut_gradient", "frozen_layers", *FADED),
            "product of two embeddings that start at 0",
        ),
    },
)  # fmt: skip


def shop(o: Options) -> trial.Trial:
    """A mapping of inputs: ids of shop and article, and numbers."""
    rng = np.random.default_rng(61)
    shops, items = rng.integers(0, 12, 1000), rng.integers(0, 20, 1000)
    numbers = rng.normal(size=(1000, 3))
    effect = rng.normal(size=12)[shops] + rng.normal(size=20)[items]
    y = effect + 0.7 * numbers[:, 0] + 0.1 * rng.normal(size=1000)
    ids = np.stack([shops, items], axis=1)
    if o.get("raw"):
        codes = rng.permutation(900_000)[:32] + 100_000.0
        x: Any = {"ids": codes[ids + np.array([0, 12])], "numbers": numbers}
    else:
        x = {"ids": ids, "numbers": numbers}
    train, test = trial.parted(x, (y / y.std())[:, None])
    ends = {
        "ids": keras.Input((2,), dtype="float32" if o.get("raw") else "int32", name="ids"),
        "numbers": keras.Input((3,), name="numbers"),
    }
    if o.get("raw"):
        inner = layers.Concatenate()([ends["ids"], ends["numbers"]])
    else:
        tables = [
            layers.Embedding(size, 4, trainable=not o.get("fixed"))(ends["ids"][:, at])
            for at, size in enumerate((12, 20))
        ]
        inner = layers.Concatenate()([*tables, ends["numbers"]])
    inner = layers.Dense(32, "relu")(inner)
    model = keras.Model(ends, layers.Dense(1)(layers.Dense(32, "relu")(inner)))
    model.compile(trial.optimizer(o, 0.01), "mse")
    return trial.Trial(model, train, test, trial.values, o.get("steps", 300), o.get("batch", 32))


SHOP = Kind(
    shop,
    {"plain": {}, "fixed tables": {"fixed": True, "steps": 1200}, "small steps": {
        "rate": 1e-4, "steps": 100, "proof": {"rate": 0.01, "steps": 300}}},
    {
        "ids as numbers": Fault(
            "plain", {"raw": True}, ("unscaled_input", *STEPS), "customer number as a feature"
        ),
    },
)  # fmt: skip


class Mixing(layers.Layer):  # type: ignore[misc]
    """Adds up neighbours: the mean of them, or their sum."""

    def __init__(self, mean: bool) -> None:
        super().__init__()
        self.mean = mean

    def call(self, parts: Any) -> Any:
        """Neighbours' features by the table of edges."""
        x, edges = parts
        size = ops.sum(edges, axis=-1, keepdims=True) if self.mean else 1.0
        return ops.matmul(edges, x) / size

    def compute_output_shape(self, shapes: Any) -> Any:
        """As the features."""
        return shapes[0]


def graph(o: Options) -> trial.Trial:
    """Graph convolutions over 14 nodes; each node is one of three kinds."""
    rng = np.random.default_rng(67)
    kind = rng.integers(0, 3, (500, 14))
    same = kind[:, :, None] == kind[:, None, :]
    edges = (rng.random((500, 14, 14)) < np.where(same, 0.5, 0.05)).astype(float)
    edges = np.maximum(np.maximum(edges, edges.transpose(0, 2, 1)), np.eye(14))
    x = np.eye(3)[kind] + 0.8 * rng.normal(size=(500, 14, 3))
    x = np.concatenate([x, rng.normal(size=(500, 14, 2))], axis=-1)
    train, test = trial.parted((x, edges), kind, 100)
    ends = keras.Input((14, 5)), keras.Input((14, 14))
    inner: Any = ends[0]
    for _ in range(o.get("depth", 2)):
        mixed = Mixing(o.get("mean", True))([inner, ends[1]])
        new = layers.Dense(24, "relu", kernel_initializer="he_normal")(mixed)
        inner = layers.Add()([inner, new]) if o.get("kept") and inner.shape[-1] == 24 else new
    model = keras.Model(ends, layers.Dense(3, "softmax")(inner))
    model.compile(trial.optimizer(o, 0.01), "sparse_categorical_crossentropy")
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 120), o.get("batch", 32))


GRAPH = Kind(
    graph,
    {"plain": {}, "six layers, kept": {"depth": 6, "kept": True, "rate": 0.003}},
    {
        "smoothed out": Fault(
            "plain", {"depth": 16}, FADED, "over-smoothing of graph convolutions (Li et al. 2018)"
        ),
        "sums of neighbours": Fault(
            "plain", {"mean": False, "depth": 6, "optimizer": trial.kind_of("SGD", 0.05)},
            (*STEPS, "exploding_gradient", "initializer_mismatch", "saturated_output",
             "unscaled_input"),
            "adjacency that no degree divides",
        ),
    },
)  # fmt: skip


class Chosen(layers.Layer):  # type: ignore[misc]
    """The answer of the expert with the largest gate."""

    def call(self, parts: Any) -> Any:
        """No gradient reaches the gate."""
        gate, answers = parts
        best = ops.one_hot(ops.argmax(gate, axis=-1), gate.shape[-1])
        return ops.sum(best * answers, axis=-1, keepdims=True)

    def compute_output_shape(self, shapes: Any) -> Any:
        """One answer."""
        return (*shapes[0][:-1], 1)


def experts(o: Options) -> trial.Trial:
    """Linear experts; a gate says which one answers."""
    rng = np.random.default_rng(71)
    x = rng.normal(size=(1000, 6))
    side = (x[:, :3] @ rng.normal(size=(3, 4))).argmax(axis=1)
    slopes = 2.0 * rng.normal(size=(4, 3))
    y = (x[:, 3:] * slopes[side]).sum(axis=1)
    train, test = trial.parted(x, (y / y.std())[:, None])
    first = keras.Input((6,))
    gate = layers.Dense(4, "softmax", name="gate")(layers.Dense(16, "tanh")(first))
    answers = layers.Dense(4, name="experts")(first[:, 3:])
    last = Chosen()([gate, answers]) if o.get("hard") else layers.Dot(1)([gate, answers])
    model = keras.Model(first, last)
    model.compile(trial.optimizer(o, 0.02), "mse")
    return trial.Trial(model, train, test, trial.values, o.get("steps", 500), o.get("batch", 32))


EXPERTS = Kind(
    experts,
    {"soft": {}, "batch of 128": {"batch": 128, "rate": 0.03}},
    {
        "hard gate": Fault(
            "soft", {"hard": True}, ("cut_gradient",), "argmax in a mixture of experts"
        )
    },
)


def _partial_likelihood(o: Options) -> Any:
    def loss(y: Any, risk: Any) -> Any:
        y, risk = ops.reshape(y, (-1, 2)), risk[:, 0]
        order = ops.argsort(-y[:, 0])
        risk, observed = ops.take(risk, order), ops.take(y[:, 1], order)
        if o.get("by_hand"):
            sums = ops.log(ops.cumsum(ops.exp(risk)))
        else:
            top = ops.max(risk)
            sums = ops.log(ops.cumsum(ops.exp(risk - top)) + 1e-9) + top
        return -ops.sum((risk - sums) * observed) / (ops.sum(observed) + 1.0)

    return loss


def survival(o: Options) -> trial.Trial:
    """Cox's partial likelihood; targets are a time and whether it was seen."""
    rng = np.random.default_rng(73)
    x = rng.normal(size=(1000, 5))
    risk = 1.5 * np.tanh(x[:, 0]) + x[:, 1] - 0.8 * x[:, 2]
    time = rng.exponential(np.exp(-1.5 * risk))
    ended = np.quantile(time, 0.7)
    y = np.stack([np.minimum(time, ended), time < ended], axis=1).astype(float)
    x = x * o.get("units", 1.0) + o.get("middle", 0.0)
    train, test = trial.parted(x, y)
    first = keras.Input((5,))
    model = keras.Model(first, layers.Dense(1)(layers.Dense(24, "relu")(first)))
    model.compile(trial.optimizer(o, 0.01), _partial_likelihood(o))

    def score(answer: Any, y: Any) -> float:
        return trial.ranks(-answer[:, 0], y[:, 0] > np.median(y[:, 0]))

    return trial.Trial(model, train, test, score, o.get("steps", 200), o.get("batch", 64))


SURVIVAL = Kind(
    survival,
    {"plain": {}, "by hand": {"by_hand": True}},
    {
        "exponential of raw columns": Fault(
            "by hand", {"units": 60.0, "middle": 160.0}, ("non_finite", "unscaled_input"),
            "log of cumulated exp without taking the largest out",
        ),
    },
)  # fmt: skip

KINDS = {
    "siamese": SIAMESE,
    "triplet": TRIPLET,
    "skip-gram": SKIP_GRAM,
    "shop": SHOP,
    "graph": GRAPH,
    "experts": EXPERTS,
    "survival": SURVIVAL,
}
