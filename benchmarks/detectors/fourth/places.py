"""Answers for every pixel, boxes, points, and images again."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import ANY, STEPS, Fault, Kind, Options

GITHUB = "https://github.com/"


def _shapes(count: int, seed: int, empty: float) -> tuple[Any, Any]:
    """A disc and a bar in noise; the mask has 0, 1 for the disc and 2 for the bar."""
    rng = np.random.default_rng(seed)
    row, column = np.mgrid[:16, :16]
    y = np.zeros((count, 16, 16), "int64")
    for mask in y:
        if rng.random() < empty:
            continue
        a, b = rng.integers(4, 12, 2)
        mask[(row - a) ** 2 + (column - b) ** 2 < 9] = 1
        mask[:, rng.integers(0, 14) :][:, :2] = 2
    x = np.where(y == 1, 1.0, np.where(y == 2, -1.0, 0.0)) + 0.5 * rng.normal(size=y.shape)
    return x[..., None], y


def _unet(o: Options, units: int, head: str | None) -> Any:
    def two(x: Any, width: int) -> Any:
        x = layers.Conv2D(width, 3, padding="same", kernel_initializer="he_normal")(x)
        x = layers.BatchNormalization(momentum=0.8)(x) if o.get("norm") else x
        return layers.ReLU()(x)

    first = keras.Input((16, 16, 1))
    fine = two(first, 8)
    low = two(layers.MaxPooling2D()(fine), 16)
    up = layers.Conv2DTranspose(8, 2, strides=2)(two(layers.MaxPooling2D()(low), 16))
    up = two(layers.Concatenate()([up, low]), 16)
    up = layers.Conv2DTranspose(8, 2, strides=2)(up)
    up = two(layers.Concatenate()([up, fine]), 8)
    return keras.Model(first, layers.Conv2D(units, 1, activation=head, name="head")(up))


def _overlap(o: Options) -> Any:
    def loss(y: Any, p: Any) -> Any:
        y, p = ops.reshape(ops.cast(y, "float32"), (-1, 256)), ops.reshape(p, (-1, 256))
        p = ops.round(p) if o.get("rounded") else p
        added = o.get("added", 1.0)
        both = 2.0 * ops.sum(y * p, axis=-1) + added
        share = both / (ops.sum(y, axis=-1) + ops.sum(p, axis=-1) + added)
        if o.get("by_truth"):
            share = (ops.sum(y * p, axis=-1) + added) / (ops.sum(y, axis=-1) + added)
        return o.get("plus", 0.0) - share

    return loss


def _weighted(y: Any, p: Any) -> Any:
    y = ops.cast(y, "float32")
    p = ops.clip(p, 1e-6, 1 - 1e-6)
    return -ops.mean(8.0 * y * ops.log(p) + (1 - y) * ops.log(1 - p))


def segmenter(o: Options) -> trial.Trial:
    """A small U-Net: three classes of pixels, or one mask."""
    x, y = _shapes(360, 97, o.get("empty", 0.0))
    binary = o.get("binary", False)
    if binary:
        y = (y == 1).astype(float)[..., None]
    (x, y), test = trial.parted(x, y, 100)
    y = y * o.get("bytes", 1) if binary else y
    head = o.get("head", "sigmoid") if binary else "softmax"
    model = _unet(o, 1 if binary else 3, None if head == "none" else head)
    plain = "binary_crossentropy" if binary else "sparse_categorical_crossentropy"
    loss = {"overlap": _overlap(o), "weighted": _weighted, "plain": plain}[o.get("loss", "plain")]
    model.compile(trial.optimizer(o, 0.01), loss)
    train: Any = (x, y)
    if o.get("apart"):
        images = tf.data.Dataset.from_tensor_slices(x).shuffle(300, seed=1)
        masks = tf.data.Dataset.from_tensor_slices(y).shuffle(300, seed=2)
        train = tf.data.Dataset.zip((images, masks)).batch(16)
    score = trial.bits if binary else trial.classes
    return trial.Trial(model, train, test, score, o.get("steps", 80), o.get("batch", 16))


DICE: Options = {"binary": True, "loss": "overlap"}

SEGMENTER = Kind(
    segmenter,
    {
        "three classes": {},
        "one mask": {"binary": True},
        "minus overlap": DICE,
        "overlap, some empty": {**DICE, "empty": 0.4, "plus": 1.0},
        "weighted pixels": {"binary": True, "loss": "weighted"},
        "batch of two, normed": {"norm": True, "batch": 2, "steps": 200, "rate": 0.003},
        "normed": {"norm": True, "binary": True},
    },
    {
        "mask of 255": Fault(
            "one mask", {"bytes": 255},
            ("output_mismatch", "unscaled_targets", "diverging_loss", "saturated_output",
             "saturated_units"),
            GITHUB + "milesial/Pytorch-UNet/issues/173",
        ),
        "softmax of one channel": Fault(
            "one mask", {"head": "softmax"}, ("output_mismatch", "cut_gradient"),
            "https://github.com/keras-team/keras/issues/18909",
        ),
        "rounded overlap": Fault(
            "minus overlap", {"rounded": True}, ("cut_gradient", "frozen_layers"),
            "dice coefficient of rounded masks as a loss",
        ),
        "overlap of nothing": Fault(
            "overlap, some empty", {"added": 0.0, "by_truth": True}, ("non_finite",),
            "recall-like loss without smoothing on empty masks",
        ),
        "masks of other images": Fault(
            "one mask", {"apart": True}, ("not_learning", "unmatched_targets"),
            "https://github.com/keras-team/keras/issues/7702",
        ),
        "overlap of logits": Fault(
            "minus overlap", {"head": "none"},
            ("output_mismatch", "diverging_loss", "oscillating_loss", *STEPS),
            GITHUB + "qubvel/segmentation_models/issues/95",
        ),
    },
)  # fmt: skip


def _detected(o: Options) -> Any:
    def loss(y: Any, p: Any) -> Any:
        there = y[:, :1]
        sure = ops.clip(ops.sigmoid(p[:, :1]), 1e-6, 1 - 1e-6)
        presence = -(there * ops.log(sure) + (1 - there) * ops.log(1 - sure))
        place, truth = p[:, 1:], y[:, 1:]
        place = ops.sigmoid(place) if o.get("bounded", True) else place
        error = ops.square(place[:, :2] - truth[:, :2])
        sizes = [place[:, 2:], truth[:, 2:]]
        if o.get("roots"):
            sizes = [ops.sqrt(size) for size in sizes]
        error = ops.concatenate([error, ops.square(sizes[0] - sizes[1])], axis=-1)
        return ops.mean(presence + o.get("weight", 5.0) * there * error, axis=-1)

    return loss


def _union(o: Options) -> Any:
    def corners(box: Any) -> Any:
        return box[:, :2] - box[:, 2:] / 2, box[:, :2] + box[:, 2:] / 2

    def loss(y: Any, p: Any) -> Any:
        p, y = ops.sigmoid(p[:, 1:]), y[:, 1:]
        if o.get("order"):
            p = p - 1.5  # the picture's middle for its corner
        (low, high), (from_, to) = corners(p), corners(y)
        sides = ops.maximum(ops.minimum(high, to) - ops.maximum(low, from_), 0.0)
        both = ops.prod(sides, axis=-1)
        area = ops.prod(high - low, axis=-1) + ops.prod(to - from_, axis=-1) - both
        return 1.0 - both / (area + 1e-3)

    return loss


def detector(o: Options) -> trial.Trial:
    """A bright box in an image or none: is there one, and where?"""
    rng = np.random.default_rng(101)
    count = 900
    there = rng.random(count) < o.get("there", 0.6)
    size, at = rng.uniform(0.25, 0.6, (count, 2)), rng.uniform(0.3, 0.7, (count, 2))
    grid = (np.arange(14) + 0.5) / 14
    inside = [np.abs(grid[None] - at[:, i : i + 1]) < size[:, i : i + 1] / 2 for i in range(2)]
    x = (inside[0][:, :, None] & inside[1][:, None, :]) * there[:, None, None].astype(float)
    x = (x + 0.2 * rng.normal(size=x.shape))[..., None]
    y = np.concatenate([there[:, None], at, size], axis=1).astype(float)
    (x, y), test = trial.parted(x, y)
    y[:, 1:] *= o.get("pixels", 1.0)
    first = keras.Input((14, 14, 1))
    inner = layers.Conv2D(12, 3, strides=2, activation="relu")(first)
    inner = layers.Flatten()(layers.Conv2D(12, 3, activation="relu")(inner))
    inner = layers.Dense(48, "relu", kernel_initializer="he_normal")(inner)
    model = keras.Model(first, layers.Dense(5)(inner))
    model.compile(trial.optimizer(o, 0.003), _union(o) if o.get("union") else _detected(o))

    def score(answer: Any, y: Any) -> float:
        rows = y[:, 0] > 0.5
        place = answer[rows, 1:]
        if o.get("bounded", True):
            place = 1 / (1 + np.exp(-place))
        placed = trial.values(place, y[rows, 1:])
        if o.get("union"):
            return placed
        return min(placed, trial.bits(answer[:, :1] + 0.5, y[:, :1]))

    return trial.Trial(model, (x, y), test, score, o.get("steps", 300), o.get("batch", 32))


DETECTOR = Kind(
    detector,
    {
        "plain": {},
        "linear boxes": {"bounded": False},
        "rarely there": {"there": 0.15, "steps": 600},
        "overlap of boxes": {"union": True, "there": 1.0},
        "heavy boxes": {"weight": 500.0},
    },
    {
        "boxes in pixels": Fault(
            "plain", {"pixels": 416.0},
            ("output_mismatch", "unscaled_targets", "saturated_units", "saturated_output"),
            GITHUB + "qqwweee/keras-yolo3/issues/512",
        ),
        "root of a side": Fault(
            "linear boxes", {"roots": True}, ("non_finite",),
            "square roots of widths that the network makes negative (YOLO's loss)",
        ),
        "boxes that never meet": Fault(
            "overlap of boxes", {"order": True},
            ("cut_gradient", "frozen_layers", "not_learning", "vanishing_gradient"),
            "no gradient of IoU without overlap (Rezatofighi et al. 2019)",
        ),
    },
)  # fmt: skip


def keypoints(o: Options) -> trial.Trial:
    """A heat map with its peak at a cross in the image."""
    rng = np.random.default_rng(103)
    at = rng.integers(2, 14, (500, 2))
    row, column = np.mgrid[:16, :16]
    far = (row - at[:, :1, None]) ** 2 + (column - at[:, 1:, None]) ** 2
    cross = ((row == at[:, :1, None]) | (column == at[:, 1:, None])) & (far < 7)
    x = cross + 0.3 * rng.normal(size=cross.shape)
    train, test = trial.parted(x[..., None], np.exp(-far / 2.0)[..., None], 100)
    inner = first = keras.Input((16, 16, 1))
    for _ in range(2):
        inner = layers.Conv2D(10, 3, padding="same", activation="relu")(inner)
    start = keras.initializers.Constant(o.get("bias", 0.0))
    last = layers.Conv2D(1, 3, padding="same", activation=o.get("head"), bias_initializer=start)
    model = keras.Model(first, last(inner))
    model.compile(trial.optimizer(o, 0.01), "mse")

    def score(answer: Any, y: Any) -> float:
        flat = [part.reshape(len(y), -1).argmax(axis=1) for part in (answer, y)]
        off = [np.abs(flat[0] // 16 - flat[1] // 16), np.abs(flat[0] % 16 - flat[1] % 16)]
        return float(np.mean(np.maximum(*off) <= 1)) if np.isfinite(answer).all() else 0.0

    return trial.Trial(model, train, test, score, o.get("steps", 120), o.get("batch", 16))


KEYPOINTS = Kind(
    keypoints,
    {"plain": {}, "rectified": {"head": "relu", "bias": 0.05}},
    {
        "rectified to nothing": Fault(
            "rectified", {"bias": -4.0},
            ("dead_units", "cut_gradient", "output_mismatch", "frozen_layers", "not_learning"),
            "https://github.com/ProteomicsML/ProteomicsML/pull/203",
        ),
        "rate of a typing error": Fault(
            "rectified", {"rate": 1.0}, (*STEPS, "cut_gradient", "output_mismatch",
                                         "not_learning", "frozen_layers"),
            "heat map is black after the first epoch",
        ),
    },
)  # fmt: skip


def _sum_of_squares(y: Any, p: Any) -> Any:
    return ops.sum(ops.square(y - p), axis=(1, 2, 3))


def rebuilt(o: Options) -> trial.Trial:
    """A convolutional autoencoder of smooth spots."""
    rng = np.random.default_rng(107)
    row, column = np.mgrid[:12, :12]
    at, wide = rng.uniform(2, 10, (600, 2, 1, 1)), rng.uniform(2, 12, (600, 1, 1))
    x = np.exp(-((row - at[:, 0]) ** 2 + (column - at[:, 1]) ** 2) / wide)[..., None]
    x = x * o.get("times", 1.0) + o.get("plus", 0.0)
    train, test = trial.parted(x, x, 100)
    first = keras.Input((12, 12, 1))
    inner = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(first)
    inner = layers.Conv2D(8, 3, strides=2, padding="same", activation="relu")(inner)
    inner = layers.Dense(6, o.get("code"), name="code")(layers.Flatten()(inner))
    inner = layers.Reshape((3, 3, 8))(layers.Dense(72, "relu")(inner))
    inner = layers.Conv2DTranspose(8, 3, strides=2, padding="same", activation="relu")(inner)
    last = layers.Conv2DTranspose(
        1, 3, strides=2, padding="same", activation=o.get("head", "sigmoid"))  # fmt: skip
    model = keras.Model(first, last(inner))
    model.compile(trial.optimizer(o, 0.005), o.get("loss", "mse"))
    return trial.Trial(model, train, test, trial.values, o.get("steps", 300), o.get("batch", 16))


REBUILT = Kind(
    rebuilt,
    {
        "plain": {},
        "cross-entropy": {"loss": "binary_crossentropy"},
        "sum of squares": {"loss": _sum_of_squares},
        "around 0": {"times": 2.0, "plus": -1.0, "head": "tanh"},
        "rectified code": {"code": "relu"},
    },
    {
        "bytes": Fault(
            "plain", {"times": 255.0},
            ("output_mismatch", "unscaled_targets", "unscaled_input", "saturated_output",
             "saturated_units"),
            "https://github.com/tensorflow/tensorflow/issues/48308",
        ),
        "cross-entropy around 0": Fault(
            "around 0", {"loss": "binary_crossentropy"}, ("output_mismatch", *STEPS),
            "autoencoder with tanh and binary cross-entropy",
        ),
        "dead code": Fault(
            "rectified code", {"rate": 0.5},
            (*STEPS, "collapsed_representation", "not_learning", "saturated_units", *ANY),
            "https://github.com/tensorflow/tensorflow/issues/48308",
        ),
    },
)  # fmt: skip

KINDS = {
    "segmenter": SEGMENTER,
    "detector": DETECTOR,
    "keypoints": KEYPOINTS,
    "rebuilt": REBUILT,
}
