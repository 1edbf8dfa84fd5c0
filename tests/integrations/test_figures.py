"""The callback's figures are those of `gradscope.run`, of float64 numpy, and of Keras's weights."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope.record import STATISTICS
from tests.integrations import training
from tests.integrations.training import MODELS, compiled, data
from tests.long_cases import long_cases
from tests.oracle import numpy_network as oracle

pytestmark = pytest.mark.tensorflow

ELSEWHERE = {"dead_fraction"}
"""Of the probe set, which `run` takes from all the data."""


TOLERANCES = {
    # `run` hears the change that is asked for; what a weight keeps of it is rounded to the weight.
    "update_ratio": 1e-4,
    # Differences of float32 sums: exact to the project's 1e-5.
    "preactivation_variance": 1e-5,
    "activation_variance": 1e-5,
    "delta_variance": 1e-5,
    "kernel_gradient_variance": 1e-5,
    "activation_sample_variance": 1e-5,
}


def one_step(model: Any, x: Any, y: Any, **options: Any) -> Any:
    from gradscope import GradientFlow

    flow = GradientFlow(every=1)
    model.fit(x, y, batch_size=len(x), shuffle=False, verbose=0, callbacks=[flow], **options)
    return flow.record


@pytest.mark.parametrize(
    "name",
    long_cases(["mlp", "batch_norm_mlp", "cnn", "lstm", "transformer"], ["transformer"], "11 s"),
)
def test_figures_are_those_of_run_on_the_same_batch(name: str, tensorflow_once: Any) -> None:
    import keras

    import gradscope
    from gradscope.runner.runtime.seeds import derive

    build = MODELS[name]
    x, y = data(build, 16)
    if name == "lstm":  # `run` calls it once before it trains, which moves the masks of its cell
        build = partial(training.lstm, dropout=0.0)
    model = compiled(build, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    config = {"training": {"steps": 1, "batch_size": 16}, "seed": 3}
    expected = gradscope.run(config, model=model, data=(x, y))
    order = np.random.default_rng(derive(3, "batches")).permutation(16)
    model = compiled(build, optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    record = one_step(model, x[order], y[order])
    assert [layer.kind for layer in record.layers] == [layer.kind for layer in expected.layers]
    assert record.steps.tolist() == expected.steps.tolist() == [0, 1]
    for statistic in set(STATISTICS) - ELSEWHERE:
        found, wanted = record.series[statistic], expected.series[statistic]
        # What is zero by symmetry (a bias before batch norm, a key's bias) is rounding in both.
        near = {"rtol": TOLERANCES.get(statistic, 1e-6), "atol": 1e-12}
        np.testing.assert_allclose(found, wanted, **near, err_msg=statistic)
    for scalar, values in expected.scalars.items():
        np.testing.assert_allclose(record.scalars[scalar], values, rtol=1e-6)


@pytest.mark.parametrize(
    "name", long_cases(["batch_norm_mlp", "lstm", "transformer"], ["transformer"], "7 s")
)
def test_the_loss_that_is_measured_is_the_one_that_is_trained(
    name: str, tensorflow_once: Any
) -> None:
    """With dropout, that takes the very masks of the training step."""
    from gradscope import GradientFlow

    flow, x_y = GradientFlow(every=1), data(MODELS[name], 16)
    model = compiled(MODELS[name])
    fitted = model.fit(*x_y, batch_size=16, epochs=3, verbose=0, shuffle=False, callbacks=[flow])
    np.testing.assert_allclose(flow.record.scalars["loss"][1:], fitted.history["loss"], rtol=1e-6)
    np.testing.assert_allclose(flow.record.scalars["accuracy"][1:], fitted.history["acc"])


def test_figures_are_those_of_float64_numpy(tensorflow_once: Any) -> None:
    import keras

    model = compiled(training.mlp, optimizer=keras.optimizers.SGD(0.3))
    x, y = data(training.mlp, 16)
    layers = tuple(
        oracle.DenseLayer(
            layer.kernel.numpy().astype(np.float64),
            layer.bias.numpy().astype(np.float64),
            layer.activation.__name__,
        )
        for layer in model.layers
    )
    network = oracle.Network(layers)
    wanted = oracle.run(network, x.astype(np.float64), y)
    assert oracle.distance_to_kink(wanted) > 1e-5, "choose another seed"
    record = one_step(model, x, y)
    assert record.scalars["loss"][0] == pytest.approx(wanted.loss, rel=1e-6)
    right = np.mean(wanted.output.argmax(1) == y)
    assert record.scalars["accuracy"][0] == pytest.approx(right)
    for place, layer in enumerate(record.layers):
        expected = oracle.statistics(wanted, place, learning_rate=0.3, probe=wanted)
        for name, value in expected.items():
            if name == "dead_fraction" and layer.role == "output":
                continue
            tolerance = TOLERANCES.get(name, 1e-6)
            found = record.series[name][-1, place]
            assert found == pytest.approx(value, rel=tolerance, nan_ok=True), (layer.name, name)


def test_delta_is_the_finite_difference_of_the_loss(tensorflow_once: Any) -> None:
    """A bias shifts z for all samples alike: the loss's slope there is the mean of delta."""
    model = compiled(training.mlp)
    x, y = data(training.mlp, 16)
    weights = [w.astype(np.float64) for w in model.get_weights()]
    record = one_step(model, x, y)

    def loss(bias: Any) -> float:
        a = np.maximum(x @ weights[0] + weights[1], 0.0)
        a = np.tanh(a @ weights[2] + bias)
        z = a @ weights[4] + weights[5]
        logs = z - np.log(np.sum(np.exp(z), 1, keepdims=True))
        return -float(np.mean(logs[np.arange(16), y]))

    h, steps = 1e-5, np.eye(7)
    slopes = [(loss(weights[3] + h * e) - loss(weights[3] - h * e)) / (2 * h) for e in steps]
    found = record.series["bias_gradient_second_moment"][0, 1]
    assert found == pytest.approx(np.mean(np.square(slopes)), rel=1e-5)


def test_the_update_is_what_the_optimizer_did_in_that_step(tensorflow_once: Any) -> None:
    import keras

    from gradscope import GradientFlow

    kernels: list[Any] = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            kernels.append([layer.kernel.numpy() for layer in self.model.layers])

    model = compiled(training.mlp)
    kernels.append([layer.kernel.numpy() for layer in model.layers])
    flow = GradientFlow(steps=[4, 7])
    x, y = data(training.mlp)
    model.fit(x, y, batch_size=8, epochs=2, verbose=0, callbacks=[flow, Watch()])
    assert flow.record.steps.tolist() == [0, 1, 4, 7]
    for row, step in ((1, 1), (2, 4), (3, 7)):
        before, after = (
            [np.asarray(kernel, np.float64) for kernel in kernels[at]] for at in (step - 1, step)
        )
        wanted = [
            np.sqrt(np.mean((new - old) ** 2) / np.mean(old**2))
            for old, new in zip(before, after, strict=True)
        ]
        # A float32 weight rounds its change by up to 2^-24 of itself: 4e-5 of a ratio of 1.5e-3.
        np.testing.assert_allclose(flow.record.series["update_ratio"][row], wanted, rtol=1e-4)
        weight = [np.mean(old**2) for old in before]
        np.testing.assert_allclose(
            flow.record.series["weight_second_moment"][row], weight, rtol=1e-6
        )


def test_several_steps_per_execution_are_measured_at_their_first(tensorflow_once: Any) -> None:
    from gradscope import GradientFlow

    x, y = data(training.mlp, 40)  # five steps: two calls of three and two
    records = []
    for together in (1, 3):
        flow = GradientFlow(every=1)
        model = compiled(training.mlp, steps_per_execution=together)
        model.fit(x, y, batch_size=8, epochs=2, shuffle=False, verbose=0, callbacks=[flow])
        records.append(flow.record)
    each, some = records
    assert each.steps.tolist() == list(range(11))
    assert some.steps.tolist() == [0, 1, 4, 6, 9]
    assert some.outcome.steps_done == 10
    assert np.isnan(some.series["update_ratio"]).all()
    assert np.isfinite(each.series["update_ratio"][1:]).all()
    for name in ("delta_second_moment", "weight_second_moment", "activation_mean"):
        np.testing.assert_allclose(some.series[name], each.series[name][some.steps], rtol=1e-4)


def test_no_update_is_told_for_a_step_that_only_accumulates(tensorflow_once: Any) -> None:
    import keras

    from gradscope import GradientFlow

    flow = GradientFlow(every=1)
    optimizer = keras.optimizers.SGD(0.1, gradient_accumulation_steps=2)
    model = compiled(training.mlp, optimizer=optimizer)
    model.fit(*data(training.mlp, 32), batch_size=8, verbose=0, callbacks=[flow])
    ratios = flow.record.series["update_ratio"]
    assert np.isnan(ratios[[0, 1, 3]]).all()
    assert (ratios[[2, 4]] > 0).all()


def test_a_probe_set_is_measured_in_place_of_the_batch(tensorflow_once: Any) -> None:
    from gradscope import GradientFlow

    x, y = data(training.mlp, 40)
    probe = (x[24:], y[24:])
    alone = one_step(compiled(training.mlp), *probe)
    flow = GradientFlow(every=2, probe=probe)
    compiled(training.mlp).fit(x[:24], y[:24], batch_size=8, verbose=0, callbacks=[flow])
    record = flow.record
    assert record.steps.tolist() == [0, 1, 2, 3]
    assert (record.batch_size, record.probe_samples, record.data.samples) == (16, 16, 16)
    assert record.data.mean == pytest.approx(float(probe[0].mean()), rel=1e-6)
    for name, values in alone.series.items():
        if name != "update_ratio":  # that of the batch, which is another
            np.testing.assert_array_equal(record.series[name][0], values[0], err_msg=name)
    assert np.isfinite(record.series["update_ratio"][1:]).all()
    assert record.environment.data_hash == alone.environment.data_hash


def test_weights_of_samples_and_classes_are_in_the_loss(tensorflow_once: Any) -> None:
    x, y = data(training.mlp, 16)
    twice = np.where(y == 1, 2.0, 1.0)
    plain = one_step(compiled(training.mlp), x, y)
    by_sample = one_step(compiled(training.mlp), x, y, sample_weight=twice)
    by_class = one_step(compiled(training.mlp), x, y, class_weight={0: 1.0, 1: 2.0, 2: 1.0})
    for name in ("delta_second_moment", "kernel_gradient_second_moment"):
        np.testing.assert_allclose(by_class.series[name], by_sample.series[name], rtol=1e-6)
        assert not np.allclose(by_class.series[name], plain.series[name], rtol=1e-3)


def test_the_loss_scale_is_undone(tensorflow_once: Any) -> None:
    """The same half-precision network, with its loss scaled and with a loss that need not be."""
    import keras

    build = training.in_half_precision(training.mlp)
    x, y = data(training.mlp, 16)
    wanted = one_step(compiled(training.mlp), x, y)
    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), initial_scale=1024.0)
    record = one_step(compiled(build, optimizer=scaled), x, y)
    assert record.environment.dtype == "mixed_float16"
    for name in ("delta_second_moment", "kernel_gradient_second_moment", "activation_mean"):
        # Half precision has 11 bits.
        np.testing.assert_allclose(record.series[name], wanted.series[name], rtol=2e-2)
    assert record.scalars["learning_rate"][0] == pytest.approx(0.1)


def test_a_step_that_the_loss_scale_makes_overflow_is_measured_at_the_next(
    tensorflow_once: Any,
) -> None:
    import keras

    from gradscope import GradientFlow

    sgd = keras.optimizers.SGD(0.1)
    optimizer = keras.optimizers.LossScaleOptimizer(sgd, initial_scale=2.0**20)
    model = compiled(training.in_half_precision(training.mlp), optimizer=optimizer)
    flow = GradientFlow(steps=[1])
    model.fit(*data(training.mlp, 64), batch_size=8, verbose=0, callbacks=[flow])
    record = flow.record
    assert record.outcome.status == "complete"
    assert record.steps[-1] > 1
    assert not np.nansum(record.series["nonfinite_count"])
    assert (record.series["update_ratio"][-1] > 0).all()


def test_a_unit_that_lives_in_one_measured_batch_lives(tensorflow_once: Any) -> None:
    """Weights that stand still, of which a batch of 16 activates few: numpy takes all batches."""
    import keras

    keras.utils.set_random_seed(2)
    x = np.random.default_rng(2).normal(size=(128, 6)).astype("float32")
    hidden = keras.layers.Dense(
        40, activation="relu", bias_initializer=keras.initializers.Constant(-1.0)
    )
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.0), "mse")
    flow = gradscope.GradientFlow(every=1)
    model.fit(x, x[:, :1], batch_size=16, shuffle=False, verbose=0, callbacks=[flow])
    kernel, bias = (np.asarray(part, np.float64) for part in hidden.get_weights())
    lives = x.astype(np.float64) @ kernel + bias > 0
    assert lives[:16].any(axis=0).sum() < lives.any(axis=0).sum()
    made = flow.record
    dead = made.series["dead_fraction"]
    row = {int(step): i for i, step in enumerate(made.steps)}
    for step, samples in ((1, 16), (2, 32), (4, 64), (8, 128)):
        assert dead[row[step], 0] == np.mean(~lives[:samples].any(axis=0))
    assert made.probe_samples == 128
    given = gradscope.GradientFlow(every=1, probe=(x[:32], x[:32, :1]))
    model.fit(x, x[:, :1], batch_size=16, shuffle=False, verbose=0, callbacks=[given])
    assert given.record.series["dead_fraction"][-1, 0] == np.mean(~lives[:32].any(axis=0))
    assert given.record.probe_samples == 32
