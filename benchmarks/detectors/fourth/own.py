"""Training steps, losses and layers of one's own; several outputs; half precision."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from benchmarks.detectors.fourth import trial
from benchmarks.detectors.fourth.trial import ANY, STEPS, Fault, Kind, Options

GITHUB = "https://github.com/"


class Variational(keras.Model):  # type: ignore[misc]
    """A variational autoencoder with a training step of its own."""

    def __init__(self, o: Options) -> None:
        super().__init__()
        self.o = o
        self.encoder = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(8)])
        self.decoder = keras.Sequential([layers.Dense(32, "relu"), layers.Dense(30, "sigmoid")])
        self.noise = keras.random.SeedGenerator(3)

    def call(self, x: Any) -> Any:
        """The images by the means of their codes."""
        return self.decoder(self.encoder(x)[:, :4])

    def train_step(self, data: Any) -> Any:
        """Error of the images and distance from the unit normal law."""
        x = keras.utils.unpack_x_y_sample_weight(data)[0]
        with tf.GradientTape() as tape:
            mean, log = ops.split(self.encoder(x), 2, axis=-1)
            code = mean + ops.exp(0.5 * log) * keras.random.normal(ops.shape(mean), seed=self.noise)
            squares = ops.square(x - self.decoder(code))
            error = ops.mean(squares) if self.o.get("mean") else ops.sum(squares) / ops.shape(x)[0]
            spread = ops.exp(log)
            apart = self.o.get("sign", 1.0) * -0.5 * (1 + log - ops.square(mean) - spread)
            distance = ops.mean(ops.sum(apart, axis=-1)) * self.o.get("weight", 0.02)
            loss = error + distance
        gradients = tape.gradient(loss, self.trainable_variables)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_variables, strict=True))
        return {"loss": loss}


def variational(o: Options) -> trial.Trial:
    """Grey values in 0..1 that three numbers explain."""
    rng = np.random.default_rng(139)
    x = 1 / (1 + np.exp(-1.8 * rng.normal(size=(900, 3)) @ rng.normal(size=(3, 30))))
    train, test = trial.parted(x, x)
    model = Variational(o)
    model(train[0][:2])
    model.compile(trial.optimizer(o, 0.005))
    return trial.Trial(model, train, test, trial.values, o.get("steps", 400), o.get("batch", 32))


VARIATIONAL = Kind(
    variational,
    {"sums": {}, "light": {"weight": 0.001}},
    {
        "mean against sum": Fault(
            "sums", {"mean": True, "weight": 1.0},
            ("collapsed_representation", "not_learning", *ANY),
            GITHUB + "AppliedDataSciencePartners/WorldModels/issues/12",
        ),
        "sign of the distance": Fault(
            "sums", {"sign": -1.0, "weight": 1.0},
            ("diverging_loss", "non_finite", "exploding_signal", *STEPS, *ANY),
            "minus for plus in the divergence",
        ),
    },
)  # fmt: skip


class Adversarial(keras.Model):  # type: ignore[misc]
    """Points that shall look like others, and a judge."""

    def __init__(self, o: Options) -> None:
        super().__init__()
        self.o = o
        self.generator = keras.Sequential([layers.Dense(24, "relu"), layers.Dense(2)])
        self.judge = keras.Sequential([layers.Dense(24, "relu"), layers.Dense(1)])
        self.noise = keras.random.SeedGenerator(5)
        rate = o.get("judge_rate", 0.003)
        self.second = keras.optimizers.Adam(rate, beta_1=0.5)

    def call(self, z: Any) -> Any:
        """Points of noise."""
        return self.generator(z)

    def train_step(self, data: Any) -> Any:
        """One step of each."""
        real = keras.utils.unpack_x_y_sample_weight(data)[0]
        z = keras.random.normal((ops.shape(real)[0], 4), seed=self.noise)
        cross = keras.losses.BinaryCrossentropy(from_logits=True)
        with tf.GradientTape() as tape:
            on_real, on_fake = self.judge(real), self.judge(self.generator(z))
            d_loss = cross(ops.ones_like(on_real), on_real)
            d_loss += cross(ops.zeros_like(on_fake), on_fake)
        variables = self.judge.trainable_variables
        gradients = tape.gradient(d_loss, variables)
        self.second.apply_gradients(zip(gradients, variables, strict=True))
        with tf.GradientTape() as tape:
            fake = self.generator(z)
            fake = ops.round(fake * 8) / 8 if self.o.get("bytes") else fake
            on_fake = self.judge(fake)
            if self.o.get("saturating"):
                g_loss = -cross(ops.zeros_like(on_fake), on_fake)
            else:
                g_loss = cross(ops.ones_like(on_fake), on_fake)
        variables = self.generator.trainable_variables
        gradients = tape.gradient(g_loss, variables)
        self.optimizer.apply_gradients(
            [(g, v) for g, v in zip(gradients, variables, strict=True) if g is not None]
            or [(ops.zeros_like(v), v) for v in variables]
        )
        return {"g_loss": g_loss, "d_loss": d_loss}


def adversarial(o: Options) -> trial.Trial:
    """A spot of points away from the origin; the score is how near the generated ones come."""
    rng = np.random.default_rng(149)
    x = np.array([3.0, -2.0]) + 0.5 * rng.normal(size=(800, 2))
    train, _ = trial.parted(x, x[:, :1])
    noise = rng.normal(size=(200, 4)).astype("float32")
    model = Adversarial(o)
    model.generator(noise[:2])
    model.judge(train[0][:2])
    model.compile(keras.optimizers.Adam(o.get("rate", 0.003), beta_1=0.5))

    def score(answer: Any, _: Any) -> float:
        off = np.linalg.norm(np.mean(answer, axis=0) - [3.0, -2.0])
        return max(0.0, 1.0 - float(off) / 3.6) if np.isfinite(off) else 0.0

    test = (noise, np.zeros((200, 1), "float32"))
    return trial.Trial(model, (train[0],), test, score, o.get("steps", 500), o.get("batch", 32))


ADVERSARIAL = Kind(
    adversarial,
    {"plain": {}, "slower judge": {"judge_rate": 0.001}},
    {
        "rounded samples": Fault(
            "plain", {"bytes": True}, ("cut_gradient", "frozen_layers"),
            "pictures as whole numbers before the discriminator",
        ),
        "judge too strong": Fault(
            "plain", {"saturating": True, "judge_rate": 1.0},
            ("vanishing_gradient", "saturated_output", "saturated_units", "cut_gradient",
             "frozen_layers", *STEPS),
            "Goodfellow et al. 2014: log(1 - D) gives no gradient",
        ),
    },
)  # fmt: skip


class Physics(keras.Model):  # type: ignore[misc]
    """u'' = -9 sin 3t with u at both ends, as a loss of the model's own."""

    weight = 10.0

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> Any:
        """The equation inside, the values at the ends."""
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                u = self(x)
            slope = inner.gradient(u, x)
        bent = outer.gradient(slope, x)
        bent = ops.zeros_like(x) if bent is None else bent
        inside = ops.mean(ops.square(bent + 9.0 * ops.sin(3.0 * x)))
        ends = self(ops.convert_to_tensor([[0.0], [2.0]]))
        truth = ops.convert_to_tensor([[0.0], [float(np.sin(6.0))]])
        return inside + self.weight * ops.mean(ops.square(ends - truth))


def physics(o: Options) -> trial.Trial:
    """A differential equation."""
    rng = np.random.default_rng(151)
    t = rng.uniform(0, 2, (800, 1))
    train, test = trial.parted(t, np.sin(3 * t))
    first = keras.Input((1,))
    inner: Any = first
    for _ in range(2):
        inner = layers.Dense(24, o.get("activation", "tanh"))(inner)
    model = Physics(first, layers.Dense(1)(inner))
    model.weight = o.get("weight", 10.0)
    model.compile(trial.optimizer(o, 0.01))
    return trial.Trial(model, train, test, trial.values, o.get("steps", 800), o.get("batch", 64))


PHYSICS = Kind(
    physics,
    {"plain": {}, "swish": {"activation": "swish"}},
    {
        "no second derivative": Fault(
            "plain", {"activation": "relu"}, ("not_learning", *ANY), "ReLU in a network for an ODE"
        ),
    },
)


def coordinates(o: Options) -> trial.Trial:
    """A picture as a function of place."""
    rng = np.random.default_rng(157)
    place = rng.uniform(-1, 1, (1500, 2))
    y = np.sin(9 * place[:, :1]) * np.cos(7 * place[:, 1:])
    train, test = trial.parted(place, y / y.std())
    inner = first = keras.Input((2,))
    if o.get("waves", True):
        kernel = keras.initializers.RandomNormal(stddev=o.get("spread", 6.0))
        inner = layers.Dense(48, keras.ops.sin, kernel_initializer=kernel, trainable=False)(inner)
    for _ in range(2):
        inner = layers.Dense(48, "relu")(inner)
    model = keras.Model(first, layers.Dense(1)(inner))
    model.compile(trial.optimizer(o, 0.003), "mse")
    return trial.Trial(model, train, test, trial.values, o.get("steps", 400), o.get("batch", 64))


COORDINATES = Kind(
    coordinates,
    {"fixed waves": {}},
    {
        "bare places": Fault(
            "fixed waves", {"waves": False, "optimizer": trial.kind_of("SGD", 0.01)},
            ("not_learning", *ANY), "spectral bias (Tancik et al. 2020)",
        ),
        "waves too short": Fault(
            "fixed waves", {"spread": 400.0}, ("not_learning", *ANY), "Sitzmann et al. 2020",
        ),
    },
)  # fmt: skip


class Codebook(layers.Layer):  # type: ignore[misc]
    """The nearest of sixteen vectors, or the straight way around it in the gradient."""

    def __init__(self, straight: bool) -> None:
        super().__init__()
        self.straight = straight

    def build(self, shape: Any) -> None:
        """Sixteen vectors."""
        self.rows = self.add_weight(
            shape=(16, shape[-1]), initializer=keras.initializers.RandomNormal(0, 0.5), name="rows"
        )

    def call(self, x: Any) -> Any:
        """Look up, and add what keeps vectors and inputs together."""
        far = ops.sum(ops.square(x[:, None] - self.rows[None]), axis=-1)
        nearest = ops.take(self.rows, ops.argmin(far, axis=-1), axis=0)
        self.add_loss(ops.mean(ops.square(nearest - ops.stop_gradient(x))))
        if not self.straight:
            return nearest
        self.add_loss(0.25 * ops.mean(ops.square(ops.stop_gradient(nearest) - x)))
        return x + ops.stop_gradient(nearest - x)

    def compute_output_shape(self, shape: Any) -> Any:
        """As the input."""
        return shape


def quantized(o: Options) -> trial.Trial:
    """An autoencoder through a table of vectors."""
    rng = np.random.default_rng(163)
    centres = rng.normal(size=(12, 20))
    x = centres[rng.integers(0, 12, 900)] + 0.15 * rng.normal(size=(900, 20))
    train, test = trial.parted(x, x)
    first = keras.Input((20,))
    inner = layers.Dense(4)(layers.Dense(32, "relu")(first))
    inner = Codebook(o.get("straight", True))(inner)
    model = keras.Model(first, layers.Dense(20)(layers.Dense(32, "relu")(inner)))
    model.compile(trial.optimizer(o, 0.005), "mse")
    return trial.Trial(model, train, test, trial.values, o.get("steps", 500), o.get("batch", 32))


QUANTIZED = Kind(
    quantized,
    {"straight through": {}},
    {
        "nothing through": Fault(
            "straight through", {"straight": False}, ("cut_gradient",),
            "VQ-VAE without the straight-through gradient",
        ),
    },
)  # fmt: skip

KINDS = {
    "variational": VARIATIONAL,
    "adversarial": ADVERSARIAL,
    "physics": PHYSICS,
    "coordinates": COORDINATES,
    "quantized": QUANTIZED,
}
