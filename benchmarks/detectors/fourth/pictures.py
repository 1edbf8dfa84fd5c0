"""Classes of small images and of moving dots; fine-tuning."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import ANY, FADED, STEPS, Fault, Kind, Options

FORUM = "https://stackoverflow.com/questions/"


def gratings(count: int, seed: int, noise: float = 0.25) -> tuple[Any, Any]:
    """Stripes in five directions, in 0..1."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 5, count)
    row, column = np.mgrid[:12, :12]
    angle = np.pi * y / 5
    phase = rng.uniform(0, 2 * np.pi, count)
    wave = np.sin(
        1.3 * (np.cos(angle)[:, None, None] * row + np.sin(angle)[:, None, None] * column)
        + phase[:, None, None]
    )
    x = 0.5 + 0.3 * wave + noise * rng.normal(size=wave.shape)
    return np.clip(x, 0.0, 1.0)[..., None], y


class AsBytes(layers.Layer):  # type: ignore[misc]
    """Features as a numpy function keeps them, in whole numbers."""

    def call(self, x: Any) -> Any:
        """Through numpy, which no gradient passes."""
        kept = tf.numpy_function(lambda a: np.round(8 * a).astype("float32") / 8, [x], tf.float32)
        kept.set_shape(x.shape)
        return kept

    def compute_output_shape(self, shape: Any) -> Any:
        """As before."""
        return shape


class Scale(layers.Layer):  # type: ignore[misc]
    """A learnt factor that starts at 0 (Bachlechner et al. 2021)."""

    def build(self, shape: Any) -> None:
        """One number."""
        self.factor = self.add_weight(shape=(), initializer="zeros", name="factor")

    def call(self, x: Any) -> Any:
        """The branch times it."""
        return self.factor * x


def _block(o: Options, x: Any, width: int) -> Any:
    start = o.get("start", "he_normal")
    conv = layers.SeparableConv2D if o.get("separable") else layers.Conv2D
    more = {} if o.get("separable") else {"kernel_initializer": start}
    y = conv(width, 3, padding="same", **more)(x)
    if o.get("norm") == "batch":
        y = layers.BatchNormalization(momentum=0.9)(y)
    elif o.get("norm") == "group":
        y = layers.GroupNormalization(4)(y)
    y = layers.Activation(o.get("activation", "relu"))(y)
    if "gate" in o:
        open_ = layers.Dense(
            width, "sigmoid", bias_initializer=keras.initializers.Constant(o["gate"])
        )(layers.GlobalAveragePooling2D()(y))
        y = layers.Multiply()([y, layers.Reshape((1, 1, width))(open_)])
    if o.get("shortcut") and x.shape[-1] == width:
        y = Scale()(y) if o["shortcut"] == "rezero" else y
        y = layers.SpatialDropout2D(0.2)(y) if o["shortcut"] == "dropped" else y
        y = layers.Add()([x, y])
    return y


def _classifier(o: Options) -> Any:
    x = first = keras.Input((12, 12, 1))
    if o.get("brightness"):
        x = layers.RandomBrightness(0.5, value_range=o["brightness"], seed=1)(x)
    for factor in o.get("rescaling", ()):
        x = layers.Rescaling(factor)(x)
    for number in range(o.get("depth", 2)):
        x = _block(o, x, o.get("width", 8))
        x = layers.MaxPooling2D()(x) if number < 2 else x
    x = layers.GlobalAveragePooling2D()(x) if o.get("pooled") else layers.Flatten()(x)
    if o.get("narrow"):
        x = layers.Dense(3, "tanh", name="narrow")(x)
        x = AsBytes()(x) if o.get("bytes") else x
    x = layers.Dense(32, o.get("activation", "relu"))(x)
    return keras.Model(first, layers.Dense(5, "softmax")(x))


def stamps(o: Options) -> trial.Trial:
    """A convolutional classifier of 12 x 12 images."""
    x, y = gratings(900, 79)
    (x, y), test = trial.parted(x * o.get("bright", 1.0), y)
    model = _classifier(o)
    for layer in model.layers if o.get("random_features") else ():
        layer.trainable = isinstance(layer, layers.Dense)
    model.compile(trial.optimizer(o, 0.005), "sparse_categorical_crossentropy")
    train: Any = (x, y)
    if o.get("apart"):
        images = tf.data.Dataset.from_tensor_slices(x).shuffle(900, seed=4)
        named = tf.data.Dataset.from_tensor_slices(y).shuffle(900, seed=9)
        train = tf.data.Dataset.zip((images, named)).batch(32)
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 150), o.get("batch", 32))


DEEP: Options = {"depth": 14, "shortcut": "rezero", "rate": 0.005}

STAMPS = Kind(
    stamps,
    {
        "plain": {},
        "bytes, rescaled inside": {"bright": 255.0, "rescaling": [1 / 255]},
        "batch norm, batch of eight": {"norm": "batch", "batch": 8, "steps": 250, "rate": 0.003},
        "group norm, batch of four": {"norm": "group", "batch": 4, "steps": 500, "rate": 0.004},
        "separable": {"separable": True, "steps": 300, "rate": 0.01},
        "open gates": {"gate": 1.0},
        "rezero": DEEP,
        "dropped branches": {"depth": 4, "shortcut": "dropped", "steps": 400},
        "random features": {"random_features": True, "steps": 300, "width": 16},
        "swish and momentum": {
            "activation": "swish", "steps": 300, "optimizer": trial.kind_of("SGD", 0.05, 0.9),
        },
        "narrow": {"narrow": True, "steps": 250},
        "brighter and darker": {"brightness": (0.0, 1.0), "steps": 300},
        "plain steps": {"optimizer": trial.kind_of("SGD", 0.1), "steps": 400},
        "lion": {"optimizer": trial.kind_of("Lion", 0.001)},
    },
    {
        "rescaled twice": Fault(
            "plain steps", {"rescaling": [1 / 255, 1 / 255]},
            ("unscaled_input", *FADED), "models of keras.applications that rescale by themselves",
        ),
        "bytes as they are": Fault(
            "plain steps", {"bright": 255.0}, ("unscaled_input", *STEPS, "exploding_gradient"),
            FORUM + "images not divided by 255",
        ),
        "fourteen plain layers": Fault(
            "rezero", {"shortcut": "", "start": "glorot_uniform", "activation": "sigmoid"},
            FADED, "very deep networks without shortcuts (He et al. 2016)",
        ),
        "closed gates": Fault(
            "open gates", {"gate": -16.0, "depth": 2},
            ("saturated_units", "cut_gradient", "frozen_layers", *FADED),
            "bias of gates (Srivastava et al. 2015)",
        ),
        "numpy in between": Fault(
            "narrow", {"bytes": True}, ("cut_gradient", "frozen_layers"),
            "https://github.com/tensorflow/tensorflow/issues: numpy_function has no gradient",
        ),
        "labels shuffled apart": Fault(
            "plain", {"apart": True, "steps": 250}, ("not_learning", "unmatched_targets"),
            "https://github.com/keras-team/keras/pull/7520",
        ),
        "brightness of bytes": Fault(
            "brighter and darker", {"brightness": (0.0, 255.0)}, ANY,
            "keras.io RandomBrightness: value_range is 0..255 unless told",
        ),
        "steps of thirty": Fault(
            "swish and momentum", {"optimizer": trial.kind_of("SGD", 30.0, 0.9)}, STEPS,
            FORUM + "learning rate of an example for another optimizer",
        ),
    },
)  # fmt: skip


def tuned(o: Options) -> trial.Trial:
    """A classifier that has been trained before and goes on."""
    x, y = gratings(900, 83)
    train, test = trial.parted(x, y)
    keras.utils.set_random_seed(7)
    model = _classifier({"pooled": True, "width": 12})
    model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    model.fit(*train, batch_size=32, epochs=8, verbose=0)
    if o.get("frozen"):
        for layer in model.layers[:-2]:
            layer.trainable = False
        top = layers.Dense(5, "softmax", name="new")(model.layers[-2].output)
        model = keras.Model(model.input, top)
    model.compile(trial.optimizer(o, 1e-4), "sparse_categorical_crossentropy")
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 80), o.get("batch", 32))


TUNED = Kind(
    tuned,
    {
        "goes on": {},
        "new head, frozen body": {"frozen": True, "rate": 0.01, "steps": 150},
        "goes on with momentum": {"optimizer": trial.kind_of("SGD", 1e-3, 0.9)},
    },
    {
        "forgets": Fault(
            "goes on with momentum", {"optimizer": trial.kind_of("SGD", 3.0, 0.9)}, STEPS,
            "keras.io/guides/transfer_learning: a very low rate for fine-tuning",
        ),
        "frozen with its head": Fault(
            "new head, frozen body", {"rate": 1e-9}, ("frozen_layers", "not_learning"),
            "fine-tuning at the rate of a typing error",
        ),
    },
)  # fmt: skip


def video(o: Options) -> trial.Trial:
    """Six frames of a moving dot: which way does it go?"""
    rng = np.random.default_rng(89)
    y = rng.integers(0, 4, 500)
    step = np.array([(0, 1), (0, -1), (1, 0), (-1, 0)])[y]
    at = rng.integers(0, 8, (500, 2))
    x = 0.1 * rng.normal(size=(500, 6, 8, 8, 1))
    for time in range(6):
        where = (at + time * step) % 8
        x[np.arange(500), time, where[:, 0], where[:, 1], 0] += 1.0
    train, test = trial.parted(x, y, 100)
    first = keras.Input((6, 8, 8, 1))
    if o.get("three"):
        inner = layers.Conv3D(12, 3, activation="relu", padding="same")(first)
        inner = layers.GlobalMaxPooling3D()(layers.Conv3D(16, 3, activation="relu")(inner))
    else:
        inner = layers.ConvLSTM2D(8, 3, padding="same")(first)
        inner = layers.GlobalMaxPooling2D()(layers.Conv2D(16, 3, activation="relu")(inner))
    model = keras.Model(first, layers.Dense(4, "softmax")(inner))
    model.compile(trial.optimizer(o, 0.01), "sparse_categorical_crossentropy")
    return trial.Trial(model, train, test, trial.classes, o.get("steps", 150), o.get("batch", 16))


VIDEO = Kind(
    video,
    {"three dimensions": {"three": True}, "recurrent": {"steps": 200}},
    {
        "rate of one": Fault(
            "recurrent", {"rate": 1.0}, (*STEPS, "saturated_units", "vanishing_gradient",
                                         "not_learning"),
            FORUM + "ConvLSTM2D loss does not move",
        ),
    },
)  # fmt: skip

KINDS = {"stamps": STAMPS, "tuned": TUNED, "video": VIDEO}
