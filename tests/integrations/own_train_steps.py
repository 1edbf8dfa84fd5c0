"""Small models that train themselves, as published examples do, written anew."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

FEATURES, LATENT, BATCH = 6, 3, 8


def samples(count: int = 24, width: int = FEATURES) -> Any:
    return np.random.default_rng(5).random((count, width)).astype(np.float32)


class Sampling(layers.Layer):
    def __init__(self) -> None:
        super().__init__()
        self.seed_generator = keras.random.SeedGenerator(7)

    def call(self, inputs: Any) -> Any:
        mean, log_variance = inputs
        noise = keras.random.normal(ops.shape(mean), seed=self.seed_generator)
        return mean + ops.exp(0.5 * log_variance) * noise


class VAE(keras.Model):
    def __init__(self) -> None:
        super().__init__()
        inputs = keras.Input((FEATURES,))
        hidden = layers.Dense(5, activation="relu", name="inner")(inputs)
        mean = layers.Dense(LATENT, name="mean")(hidden)
        log_variance = layers.Dense(LATENT, name="log_variance")(hidden)
        self.encoder = keras.Model(inputs, [mean, log_variance, Sampling()([mean, log_variance])])
        self.decoder = keras.Sequential(
            [
                keras.Input((LATENT,)),
                layers.Dense(5, activation="tanh", name="outer"),
                layers.Dense(FEATURES, activation="sigmoid", name="answer"),
            ]
        )
        self.tracker = keras.metrics.Mean(name="loss")

    @property
    def metrics(self) -> list[Any]:
        return [self.tracker]

    def losses_of(self, x: Any) -> Any:
        mean, log_variance, z = self.encoder(x)
        distance = ops.sum(ops.square(x - self.decoder(z)), axis=1)
        divergence = 1 + log_variance - ops.square(mean) - ops.exp(log_variance)
        return ops.mean(distance) + ops.mean(ops.sum(-0.5 * divergence, axis=1))

    def train_step(self, data: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = self.losses_of(data)
        gradients = tape.gradient(loss, self.trainable_weights)
        self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
        self.tracker.update_state(loss)
        return {"loss": self.tracker.result()}


class GAN(keras.Model):
    """The discriminator is updated first; with `critic_steps` it is a WGAN with a penalty."""

    def __init__(self, critic_steps: int = 0) -> None:
        super().__init__()
        self.critic_steps = critic_steps
        self.generator = keras.Sequential(
            [
                keras.Input((LATENT,)),
                layers.Dense(7, name="g1"),
                layers.BatchNormalization(name="g_norm"),
                layers.LeakyReLU(name="g_act"),
                layers.Dense(FEATURES, name="g2"),
            ]
        )
        self.discriminator = keras.Sequential(
            [
                keras.Input((FEATURES,)),
                layers.Dense(8, activation="tanh", name="d1"),
                layers.Dropout(0.0 if critic_steps else 0.2, seed=3),
                layers.Dense(1, name="d2"),
            ]
        )
        self.seed_generator = keras.random.SeedGenerator(7)
        self.d_tracker = keras.metrics.Mean(name="d_loss")
        self.g_tracker = keras.metrics.Mean(name="g_loss")

    def compile(self, d_optimizer: Any, g_optimizer: Any) -> None:
        super().compile()
        self.d_optimizer, self.g_optimizer = d_optimizer, g_optimizer
        self.cross_entropy = keras.losses.BinaryCrossentropy(from_logits=True)

    @property
    def metrics(self) -> list[Any]:
        return [self.d_tracker, self.g_tracker]

    def noise(self, x: Any) -> Any:
        return keras.random.normal((ops.shape(x)[0], LATENT), seed=self.seed_generator)

    def d_loss(self, x: Any, fake: Any) -> Any:
        if not self.critic_steps:
            answers = self.discriminator(ops.concatenate([fake, x]), training=True)
            labels = ops.concatenate([ops.ones((BATCH, 1)), ops.zeros((BATCH, 1))])
            return self.cross_entropy(labels, answers)
        real, made = self.discriminator(x, training=True), self.discriminator(fake, training=True)
        between = 0.5 * (x + fake)
        with tf.GradientTape() as inner:
            inner.watch(between)
            answer = self.discriminator(between, training=True)
        slope = ops.sqrt(ops.sum(ops.square(inner.gradient(answer, [between])[0]), axis=1))
        return ops.mean(made) - ops.mean(real) + 10.0 * ops.mean(ops.square(slope - 1.0))

    def g_loss(self, noise: Any) -> Any:
        answers = self.discriminator(self.generator(noise, training=True), training=True)
        if self.critic_steps:
            return -ops.mean(answers)
        return self.cross_entropy(ops.zeros_like(answers), answers)

    def train_step(self, x: Any) -> Any:
        for _ in range(self.critic_steps or 1):
            fake = self.generator(self.noise(x), training=True)
            with tf.GradientTape() as tape:
                d_loss = self.d_loss(x, fake)
            weights = self.discriminator.trainable_weights
            self.d_optimizer.apply_gradients(
                zip(tape.gradient(d_loss, weights), weights, strict=True)
            )
        noise = self.noise(x)
        with tf.GradientTape() as tape:
            g_loss = self.g_loss(noise)
        weights = self.generator.trainable_weights
        self.g_optimizer.apply_gradients(zip(tape.gradient(g_loss, weights), weights, strict=True))
        self.d_tracker.update_state(d_loss)
        self.g_tracker.update_state(g_loss)
        return {"d_loss": self.d_tracker.result(), "g_loss": self.g_tracker.result()}


def vae() -> Any:
    keras.utils.set_random_seed(2)
    model = VAE()
    model.compile(keras.optimizers.Adam(1e-2))
    return model


def gan(critic_steps: int = 0) -> Any:
    keras.utils.set_random_seed(2)
    model = GAN(critic_steps)
    model.compile(keras.optimizers.SGD(0.1), keras.optimizers.Adam(1e-2))
    return model


def dataset(count: int = 24) -> Any:
    return tf.data.Dataset.from_tensor_slices(samples(count)).batch(BATCH)


def all_bits(model: Any, history: Any) -> list[Any]:
    """Everything that training leaves behind."""
    held = [model.optimizer, *vars(model).values()]
    optimizers = {id(o): o for o in held if isinstance(o, keras.optimizers.Optimizer)}
    variables = [*model.variables, *(v for o in optimizers.values() for v in o.variables)]
    return [history.history, *(variable.numpy() for variable in variables)]
