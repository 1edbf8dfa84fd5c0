"""Networks with a `train_step` of their own: each function gives (model, x, None), compiled."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.real.layered import SAMPLES, Case

FEATURES = 8


def _samples() -> Any:
    random = np.random.default_rng(0)
    hidden = random.normal(size=(SAMPLES, 2)) @ random.normal(size=(2, FEATURES))
    return np.tanh(hidden).astype(np.float32)


def _dense(inputs: int, outputs: int) -> Any:
    import keras
    from keras import layers

    hidden = [layers.Dense(32, activation="leaky_relu") for _ in range(2)]
    return keras.Sequential([keras.Input((inputs,)), *hidden, layers.Dense(outputs)])


def _updated(optimizer: Any, trained: Any, loss: Callable[[], Any]) -> Any:
    """One update of the weights of a model: the loss under a tape, its gradient, the optimizer."""
    import tensorflow as tf

    with tf.GradientTape() as tape:
        value = loss()
    weights = trained.trainable_weights
    optimizer.apply_gradients(zip(tape.gradient(value, weights), weights, strict=True))
    return value


def gan(*, penalty: bool = False) -> tuple[Any, Any, Any]:
    """A generator against a discriminator; with `penalty` a critic with a gradient penalty."""
    import keras
    import tensorflow as tf

    class Adversarial(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.generator, self.discriminator = _dense(4, FEATURES), _dense(FEATURES, 1)
            self.seed = keras.random.SeedGenerator(0)
            self.generator_optimizer = keras.optimizers.Adam(1e-3)

        def call(self, x: Any) -> Any:
            return self.discriminator(x)

        def train_step(self, real: Any) -> dict[str, Any]:
            noise = keras.random.normal((tf.shape(real)[0], 4), seed=self.seed)

            def generator_loss() -> Any:
                answers = self.discriminator(self.generator(noise, training=True), training=True)
                return tf.reduce_mean(-answers if penalty else tf.nn.softplus(-answers))

            loss = _updated(
                self.optimizer, self.discriminator, lambda: self._critic_loss(real, noise)
            )
            cheated = _updated(self.generator_optimizer, self.generator, generator_loss)
            return {"loss": loss, "generator_loss": cheated}

        def _critic_loss(self, real: Any, noise: Any) -> Any:
            made = self.generator(noise, training=True)
            right, wrong = (self.discriminator(x, training=True) for x in (real, made))
            if not penalty:
                return tf.reduce_mean(tf.nn.softplus(-right) + tf.nn.softplus(wrong))
            share = keras.random.uniform((tf.shape(real)[0], 1), seed=self.seed)
            between = share * real + (1.0 - share) * made
            with tf.GradientTape() as tape:
                tape.watch(between)
                answers = self.discriminator(between, training=True)
            size = tf.norm(tape.gradient(answers, between) + 1e-12, axis=1)
            return tf.reduce_mean(wrong - right) + 10.0 * tf.reduce_mean(tf.square(size - 1.0))

    model = Adversarial()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model, _samples(), None


def wgan_gp() -> tuple[Any, Any, Any]:
    """A Wasserstein GAN with a gradient penalty."""
    return gan(penalty=True)


def ddpm() -> tuple[Any, Any, Any]:
    """A network that is trained to find the noise that was added to a sample."""
    import keras
    import tensorflow as tf

    class Diffusion(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = _dense(FEATURES + 1, FEATURES)
            self.seed = keras.random.SeedGenerator(0)

        def call(self, x: Any) -> Any:
            return self.network(x)

        def train_step(self, clean: Any) -> dict[str, Any]:
            level = keras.random.uniform((tf.shape(clean)[0], 1), seed=self.seed)
            noise = keras.random.normal(tf.shape(clean), seed=self.seed)
            noisy = tf.sqrt(1.0 - level) * clean + tf.sqrt(level) * noise

            def loss() -> Any:
                answer = self.network(tf.concat([noisy, level], 1), training=True)
                return tf.reduce_mean(tf.square(answer - noise))

            return {"loss": _updated(self.optimizer, self.network, loss)}

    model = Diffusion()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model, _samples(), None


def ddim() -> tuple[Any, Any, Any]:
    """The same, with an average of the weights over time in a second network."""
    import keras
    import tensorflow as tf

    class Averaged(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = _dense(FEATURES + 1, FEATURES)
            self.average = keras.models.clone_model(self.network)
            self.seed = keras.random.SeedGenerator(0)

        def call(self, x: Any) -> Any:
            return self.average(x)

        def train_step(self, clean: Any) -> dict[str, Any]:
            time = keras.random.uniform((tf.shape(clean)[0], 1), seed=self.seed)
            noise = keras.random.normal(tf.shape(clean), seed=self.seed)
            angle = 0.2 + 1.2 * time
            noisy = tf.cos(angle) * clean + tf.sin(angle) * noise

            def loss() -> Any:
                answer = self.network(tf.concat([noisy, tf.square(tf.sin(angle))], 1))
                return tf.reduce_mean(tf.abs(noise - answer))

            value = _updated(self.optimizer, self.network, loss)
            for weight, mean in zip(self.network.weights, self.average.weights, strict=True):
                mean.assign(0.99 * mean + 0.01 * weight)
            return {"loss": value}

    model = Averaged()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model, _samples(), None


def vae() -> tuple[Any, Any, Any]:
    """An encoder and a decoder that one gradient trains, with metrics of their own."""
    import keras
    import tensorflow as tf

    class Variational(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.encoder, self.decoder = _dense(FEATURES, 4), _dense(2, FEATURES)
            self.seed = keras.random.SeedGenerator(0)
            self.total = keras.metrics.Mean(name="loss")

        @property
        def metrics(self) -> list[Any]:
            return [self.total]

        def call(self, x: Any) -> Any:
            return self.decoder(tf.split(self.encoder(x), 2, axis=1)[0])

        def train_step(self, x: Any) -> dict[str, Any]:
            def loss() -> Any:
                mean, log_variance = tf.split(self.encoder(x, training=True), 2, axis=1)
                noise = keras.random.normal(tf.shape(mean), seed=self.seed)
                answer = self.decoder(mean + tf.exp(0.5 * log_variance) * noise, training=True)
                spread = 1.0 + log_variance - tf.square(mean) - tf.exp(log_variance)
                squares = tf.reduce_sum(tf.square(x - answer), 1)
                return tf.reduce_mean(squares - 0.05 * tf.reduce_sum(spread, 1))

            self.total.update_state(_updated(self.optimizer, self, loss))
            return {"loss": self.total.result()}

    model = Variational()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model, _samples(), None


def vq_vae() -> tuple[Any, Any, Any]:
    """A code book between encoder and decoder: the gradient is copied past the nearest code."""
    import keras
    import tensorflow as tf

    class CodeBook(keras.layers.Layer):  # type: ignore[misc]
        def build(self, shape: Any) -> None:
            self.codes = self.add_weight(shape=(16, 2), initializer="uniform", name="codes")

        def call(self, x: Any) -> Any:
            distances = tf.reduce_sum(tf.square(x[:, None] - self.codes[None]), 2)
            chosen = tf.gather(self.codes, tf.argmin(distances, 1))
            self.add_loss(
                0.25 * tf.reduce_mean(tf.square(tf.stop_gradient(chosen) - x))
                + tf.reduce_mean(tf.square(chosen - tf.stop_gradient(x)))
            )
            return x + tf.stop_gradient(chosen - x)

    class Quantized(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            parts = [_dense(FEATURES, 2), CodeBook(), _dense(2, FEATURES)]
            self.network = keras.Sequential([keras.Input((FEATURES,)), *parts])

        def call(self, x: Any) -> Any:
            return self.network(x)

        def train_step(self, x: Any) -> dict[str, Any]:
            def loss() -> Any:
                answer = self.network(x, training=True)
                return tf.reduce_mean(tf.square(x - answer)) + sum(self.network.losses)

            return {"loss": _updated(self.optimizer, self.network, loss)}

    model = Quantized()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model, _samples(), None


def distillation() -> tuple[Any, Any, Any]:
    """A small network that is trained by the answers of a large one, and by the targets."""
    import keras
    import tensorflow as tf

    class Distiller(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.student, self.teacher = _dense(FEATURES, 2), _dense(FEATURES, 2)
            self.teacher.trainable = False

        def call(self, x: Any) -> Any:
            return self.student(x)

        def train_step(self, data: Any) -> dict[str, Any]:
            x, y = data
            taught = tf.nn.softmax(self.teacher(x, training=False) / 3.0)
            with tf.GradientTape() as tape:
                answer = self.student(x, training=True)
                loss = 0.1 * self.compute_loss(x=x, y=y, y_pred=answer) + 0.9 * tf.reduce_mean(
                    keras.losses.kl_divergence(taught, tf.nn.softmax(answer / 3.0))
                )
            weights = self.student.trainable_variables
            # The other way to make an update, which a measurement has to see as well.
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    model, x = Distiller(), _samples()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    return model, x, (x[:, 0] > 0).astype(np.int32)


def metric_learning() -> tuple[Any, Any, Any]:
    """An embedding in which a sample is nearer to its own second view than to those of others."""
    import keras
    import tensorflow as tf

    class Embedding(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.network = _dense(FEATURES, 4)
            self.seed = keras.random.SeedGenerator(0)

        def call(self, x: Any) -> Any:
            return tf.math.l2_normalize(self.network(x), 1)

        def train_step(self, x: Any) -> dict[str, Any]:
            view = x + 0.1 * keras.random.normal(tf.shape(x), seed=self.seed)

            def loss() -> Any:
                first, second = self(x, training=True), self(view, training=True)
                alike = tf.matmul(first, second, transpose_b=True) / 0.2
                return self.compute_loss(y=tf.range(tf.shape(x)[0]), y_pred=alike)

            return {"loss": _updated(self.optimizer, self, loss)}

    model = Embedding()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    return model, _samples(), None


def actor_critic() -> tuple[Any, Any, Any]:
    """Two heads on one body: the actor's loss takes the critic's answer as a number."""
    import keras
    import tensorflow as tf

    class ActorCritic(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.body = keras.layers.Dense(32, activation="tanh")
            self.actor, self.critic = keras.layers.Dense(2), keras.layers.Dense(1)

        def call(self, x: Any) -> Any:
            hidden = self.body(x)
            return self.actor(hidden), self.critic(hidden)

        def train_step(self, data: Any) -> dict[str, Any]:
            state, (action, reward) = data

            def loss() -> Any:
                logits, value = self(state, training=True)
                surplus = reward - value[:, 0]
                chosen = tf.nn.sparse_softmax_cross_entropy_with_logits(action, logits)
                actor = tf.reduce_mean(tf.stop_gradient(surplus) * chosen)
                return actor + tf.reduce_mean(tf.square(surplus))

            return {"loss": _updated(self.optimizer, self, loss)}

    model, x = ActorCritic(), _samples()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    action = np.random.default_rng(1).integers(0, 2, len(x)).astype(np.int32)
    reward = np.where(action == (x[:, 0] > 0), 1.0, 0.0).astype(np.float32)
    return model, x, (action, reward)


CASES: dict[str, Case] = {
    case.__name__: case
    for case in (
        gan,
        wgan_gp,
        ddpm,
        ddim,
        vae,
        vq_vae,
        distillation,
        metric_learning,
        actor_critic,
    )
}
