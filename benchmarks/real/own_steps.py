"""Networks with a `train_step` of their own: each function gives (model, x, None), compiled."""

from __future__ import annotations

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
            with tf.GradientTape() as tape:
                made = self.generator(noise, training=True)
                loss = self._critic_loss(real, made)
            weights = self.discriminator.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            with tf.GradientTape() as tape:
                answers = self.discriminator(self.generator(noise, training=True), training=True)
                cheated = tf.reduce_mean(-answers if penalty else tf.nn.softplus(-answers))
            weights = self.generator.trainable_weights
            self.generator_optimizer.apply_gradients(
                zip(tape.gradient(cheated, weights), weights, strict=True)
            )
            return {"loss": loss, "generator_loss": cheated}

        def _critic_loss(self, real: Any, made: Any) -> Any:
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
            with tf.GradientTape() as tape:
                answer = self.network(tf.concat([noisy, level], 1), training=True)
                loss = tf.reduce_mean(tf.square(answer - noise))
            weights = self.network.trainable_weights
            self.optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
            return {"loss": loss}

    model = Diffusion()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    return model, _samples(), None


CASES: dict[str, Case] = {"gan": gan, "wgan_gp": wgan_gp, "ddpm": ddpm}
