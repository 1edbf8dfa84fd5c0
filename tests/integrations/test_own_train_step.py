"""A model's own `train_step`: figures against passes written by hand, and unchanged bits."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gradscope.errors import BadRequest
from tests.integrations.training import assert_same
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow
FIT = {"verbose": 0, "shuffle": False}


@pytest.fixture(scope="module")
def models(tensorflow_once: Any) -> Any:
    return importlib.import_module("tests.integrations.own_train_steps")


def measured(model: Any, data: Any, **options: Any) -> Any:
    from gradscope import GradientFlow

    flow = GradientFlow(every=1, **options)
    model.fit(data, verbose=0, shuffle=False, callbacks=[flow])
    return flow


def figure(record: Any, statistic: str, layer: str, step: int = 1) -> float:
    names = [info.name for info in record.layers]
    row = record.steps.tolist().index(step)
    return float(record.series[statistic][row, names.index(layer)])


def mean_square(values: Any) -> float:
    return float(np.mean(np.asarray(values, np.float64) ** 2))


@pytest.mark.parametrize(
    "build", long_cases(["vae", "gan", "wgan"], ["vae", "wgan"], "10 to 25 s each")
)
def test_training_is_the_same_to_the_bit(build: str, models: Any) -> None:
    from gradscope import GradientFlow

    def trained(*callbacks: Any) -> list[Any]:
        model = models.gan(2) if build == "wgan" else getattr(models, build)()
        history = model.fit(models.dataset(), epochs=2, callbacks=list(callbacks), **FIT)
        return models.all_bits(model, history)  # type: ignore[no-any-return]

    # A third of the steps is measured, so that measured and other steps follow each other.
    assert_same(trained(), trained(GradientFlow(every=3)))


@dataclass(frozen=True)
class VaePass:
    """One pass of the VAE by hand, in float64: loss, delta by layer, the input of `outer`."""

    loss: float
    deltas: dict[str, Any]
    z: Any


def vae_by_hand(model: Any, x: Any) -> VaePass:
    import keras

    encoder, decoder = (
        [w.numpy().astype(np.float64) for w in part.weights[:6]]
        for part in (model.encoder, model.decoder)
    )
    inner = np.maximum(x @ encoder[0] + encoder[1], 0.0)
    mean, log_variance = (inner @ encoder[i] + encoder[i + 1] for i in (2, 4))
    noise = np.asarray(keras.random.normal(mean.shape, seed=keras.random.SeedGenerator(7)))
    z = mean + np.exp(0.5 * log_variance) * noise
    outer = np.tanh(z @ decoder[0] + decoder[1])
    answer = 1.0 / (1.0 + np.exp(-(outer @ decoder[2] + decoder[3])))
    divergence = -0.5 * (1 + log_variance - mean**2 - np.exp(log_variance))
    # The loss is a mean over the samples, and delta is that times their number.
    deltas = {"answer": 2.0 * (answer - x) * answer * (1.0 - answer)}
    deltas["outer"] = deltas["answer"] @ decoder[2].T * (1.0 - outer**2)
    back = deltas["outer"] @ decoder[0].T
    deltas["mean"] = back + mean
    spread = back * 0.5 * np.exp(0.5 * log_variance) * noise
    deltas["log_variance"] = 0.5 * (np.exp(log_variance) - 1.0) + spread
    to_inner = deltas["mean"] @ encoder[2].T + deltas["log_variance"] @ encoder[4].T
    deltas["inner"] = to_inner * (inner > 0)
    loss = float(np.mean(np.sum((x - answer) ** 2, axis=1) + np.sum(divergence, axis=1)))
    return VaePass(loss, deltas, z)


def test_the_figures_of_a_vae_are_those_of_the_formulas(models: Any) -> None:
    model = models.vae()
    expected = vae_by_hand(model, models.samples(8).astype(np.float64))
    kernel = model.decoder.weights[0].numpy().astype(np.float64)
    flow = measured(model, models.dataset(8))
    [(name, record)] = flow.records.items()
    assert (name, record.name) == ("", "fit")
    for layer, delta in expected.deltas.items():
        assert figure(record, "delta_second_moment", layer) == pytest.approx(
            mean_square(delta), rel=1e-4
        )
    gradient = expected.z.T @ expected.deltas["outer"] / 8
    assert figure(record, "kernel_gradient_second_moment", "outer") == pytest.approx(
        mean_square(gradient), rel=1e-4
    )
    assert record.scalars["loss"][0] == pytest.approx(expected.loss, rel=1e-5)
    # Adam moves a weight by its rate at the first step; the ratio is over the kernel's size.
    ratio = 1e-2 / np.sqrt(mean_square(kernel))
    assert figure(record, "update_ratio", "outer") == pytest.approx(ratio, rel=1e-3)
    roles = {info.name: (info.role, info.main_path) for info in record.layers if info.weighted}
    assert roles["answer"] == ("output", True)
    assert roles["mean"] == ("hidden", False)


def test_a_gan_has_a_profile_of_each_player_and_the_right_order(models: Any) -> None:
    """The generator's gradient passes the discriminator as it is after its own update."""
    model = models.gan()
    w2 = model.discriminator.weights[2].numpy().astype(np.float64)
    flow = measured(model, models.dataset(8))
    logs = model.history
    assert list(flow.records) == ["discriminator", "generator"]
    discriminator, generator = flow.records.values()
    assert (discriminator.name, generator.name) == ("fit.discriminator", "fit.generator")
    assert [info.name for info in discriminator.layers if info.weighted] == ["d1", "d2"]
    assert [info.name for info in generator.layers if info.weighted] == ["g1", "g2", "d1", "d2"]
    frozen = {info.name: info.frozen for info in generator.layers if info.weighted}
    assert frozen == {"g1": False, "g2": False, "d1": True, "d2": True}
    # SGD made the discriminator's update: its new kernel follows from the recorded gradient.
    new_w2 = model.discriminator.weights[2].numpy().astype(np.float64)
    gradient = (w2 - new_w2) / 0.1
    assert figure(discriminator, "kernel_gradient_second_moment", "d2") == pytest.approx(
        mean_square(gradient), rel=1e-4
    )
    change = np.sqrt(mean_square(new_w2 - w2) / mean_square(w2))
    assert figure(discriminator, "update_ratio", "d2") == pytest.approx(change, rel=1e-4)
    # delta of g2 is delta of d1 times the kernel of d1, and delta of d2 is that of the loss.
    assert np.isnan(figure(generator, "update_ratio", "d1"))
    assert generator.scalars["loss"][0] == pytest.approx(float(logs.history["g_loss"][0]), rel=1e-5)
    for report in flow.reports.values():
        assert report.diagnosis.verdict in {"inconclusive", "healthy", "warning"}
        learning = next(v for v in report.diagnosis.verdicts if v.name == "not_learning")
        assert learning.status == "skipped"


def test_a_gradient_penalty_counts_in_delta(models: Any) -> None:
    """dL/dz of the critic's first layer by the penalty, by finite differences in float64."""
    import keras

    model = models.gan(2)
    x = models.samples(8).astype(np.float64)
    w1, b1, w2, _ = (w.numpy().astype(np.float64) for w in model.discriminator.weights)
    kernels = [w.numpy().astype(np.float64) for w in model.generator.weights]
    noise = keras.random.normal((8, models.LATENT), seed=keras.random.SeedGenerator(7))
    hidden = np.asarray(noise, np.float64) @ kernels[0] + kernels[1]
    normed = (hidden - hidden.mean(0)) / np.sqrt(hidden.var(0) + 1e-3)
    fake = np.where(normed > 0, normed, 0.3 * normed) @ kernels[6] + kernels[7]
    z = 0.5 * (x + fake) @ w1 + b1

    def penalty(z: Any) -> float:
        slope = ((1.0 - np.tanh(z) ** 2) * w2.T) @ w1.T
        return float(10.0 * np.mean((np.sqrt(np.sum(slope**2, axis=1)) - 1.0) ** 2))

    delta, step = np.zeros_like(z), 1e-6
    for at in np.ndindex(*z.shape):
        change = np.zeros_like(z)
        change[at] = step
        delta[at] = 8 * (penalty(z + change) - penalty(z - change)) / (2 * step)
    record = measured(model, models.dataset(8)).records["discriminator"]
    names = [info.name for info in record.layers if info.weighted]
    # The penalty depends on the slope of the critic alone, which its last sum does not change.
    assert names == ["d1", "d2", "d1#2", "d2#2", "d1#3"]
    assert figure(record, "delta_second_moment", "d1#3") == pytest.approx(
        mean_square(delta), rel=1e-4
    )
    # The means of the answers to real and to made samples: delta is -1 and +1.
    assert figure(record, "delta_second_moment", "d2") == pytest.approx(1.0, rel=1e-6)
    assert figure(record, "delta_second_moment", "d2#2") == pytest.approx(1.0, rel=1e-6)


def test_what_cannot_be_traced_is_refused_with_a_way_out_that_works(models: Any) -> None:
    import keras
    import tensorflow as tf

    class Looped(models.VAE):  # type: ignore[name-defined,misc]
        def train_step(self, data: Any) -> Any:
            def body(i: Any) -> Any:
                with tf.GradientTape() as tape:
                    loss = self.losses_of(data)
                gradients = tape.gradient(loss, self.trainable_weights)
                self.optimizer.apply_gradients(zip(gradients, self.trainable_weights, strict=True))
                return (i + 1,)

            tf.while_loop(lambda i: i < 2, body, (tf.constant(0),))
            return {"loss": tf.constant(0.0)}

    keras.utils.set_random_seed(2)
    model = Looped()
    model.compile("adam")
    model.optimizer.build(model.trainable_variables)
    before = [w.numpy() for w in model.weights]
    with pytest.raises(BadRequest, match="inside a loop or branch") as refusal:
        measured(model, models.dataset(8))
    assert "GradientFlow(loss=fn)" in refusal.value.remedy
    for weight, value in zip(model.weights, before, strict=True):
        np.testing.assert_array_equal(weight.numpy(), value)
    flow = measured(model, models.dataset(8), loss=lambda trained, batch: trained.losses_of(batch))
    other = measured(models.vae(), models.dataset(8))
    assert figure(flow.record, "delta_second_moment", "outer") == pytest.approx(
        figure(other.record, "delta_second_moment", "outer"), rel=1e-5
    )
    assert np.isnan(figure(flow.record, "update_ratio", "outer"))


def test_losses_by_name_give_profiles_of_that_name(models: Any) -> None:
    model = models.gan()
    losses = {
        "generator": lambda m, batch: m.g_loss(m.noise(batch)),
        "discriminator": lambda m, batch: m.d_loss(batch, m.generator(m.noise(batch))),
    }
    flow = measured(model, models.dataset(8), loss=losses)
    assert list(flow.records) == ["generator", "discriminator"]
    trained = [info.name for info in flow.records["discriminator"].layers if info.weighted]
    assert trained == ["d1", "d2"]


def test_run_trains_by_the_train_step(models: Any) -> None:
    import gradscope

    config = {"training": {"steps": 3, "batch_size": 8}}
    model, other = models.gan(), models.gan()
    record = gradscope.run(config, model=model, data=models.dataset())
    assert record.name.endswith(".discriminator")
    assert [r.name.rpartition(".")[2] for r in record.others] == ["generator"]
    flow = measured(other, models.dataset())
    # Two graphs, two numbers of threads: the same figures up to rounding.
    for statistic in ("delta_second_moment", "update_ratio"):
        np.testing.assert_allclose(
            record.series[statistic],
            flow.records["discriminator"].series[statistic],
            rtol=1e-3,
        )
    for left, right in zip(model.weights, other.weights, strict=True):
        if len(left.shape) > 1:  # Adam makes a step of the rounding of a bias before a batch norm
            np.testing.assert_allclose(left.numpy(), right.numpy(), rtol=1e-3, atol=1e-5)
    once = {"training": {"steps": 1, "batch_size": 8}}
    with pytest.raises(BadRequest, match="takes several gradients"):
        gradscope.baseline(once, model=models.gan, data=models.dataset(), seeds=1, trained_seeds=0)


def test_batches_of_many_shapes_cost_three_traces(tensorflow_once: Any) -> None:
    """The weights stand still, so that Keras itself says what each batch should show."""
    import keras
    import tensorflow as tf

    from gradscope import GradientFlow

    class Sentences(keras.Sequential):
        def train_step(self, data: Any) -> Any:
            x, y = data
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(self(x, training=True) - y))
            weights = self.trainable_variables
            self.optimizer.apply(tape.gradient(loss, weights), weights)
            return {"loss": loss}

    random = np.random.default_rng(0)
    shapes = [(4, 5), (3, 7), (6, 4), (2, 9), (5, 5)]
    batches = [
        (random.integers(0, 20, shape).astype(np.int32), np.ones((shape[0], 1), np.float32))
        for shape in shapes
    ]
    spec = (tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, 1), tf.float32))
    data = tf.data.Dataset.from_generator(lambda: iter(batches), output_signature=spec)
    layers = [keras.layers.Embedding(20, 6), keras.layers.LSTM(5), keras.layers.Dense(1)]
    model = Sentences(layers)
    model.compile(keras.optimizers.SGD(0.0))
    flow = GradientFlow(every=1)
    model.fit(data, steps_per_epoch=len(batches), shuffle=False, verbose=0, callbacks=[flow])
    answers = [model.predict_on_batch(x) for x, _ in batches]
    record = flow.record
    losses = [np.mean((answer - y) ** 2) for answer, (_, y) in zip(answers, batches, strict=True)]
    np.testing.assert_allclose(record.scalars["loss"][1:], losses, rtol=1e-5)
    squares = record.series["activation_second_moment"][1:, -1]
    np.testing.assert_allclose(squares, [np.mean(a**2) for a in answers], rtol=1e-5)
    assert flow._fit.own._trace._steps.traces() == 3
