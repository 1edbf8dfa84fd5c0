"""The loss of each of several outputs, beside its own constant answer, against numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.record import RunRecord, storage
from tests.integrations.training import assert_same, bits
from tests.long_cases import long_cases

pytestmark = pytest.mark.tensorflow
RANDOM = np.random.default_rng(1)
SAMPLES, BATCH = 320, 32
X = RANDOM.normal(size=(SAMPLES, 6)).astype("float32")
PRICE = (10 * X[:, :1]).astype("float32")
KIND = np.argmax(X[:, 1:5], axis=1)
WEIGHTS = np.linspace(0.5, 1.5, SAMPLES).astype("float32")
CROSS = "sparse_categorical_crossentropy"


def two_heads(*, named: bool, softmax: bool = True) -> Any:
    from keras import Input, Model, layers

    inputs = Input((6,))
    hidden = layers.Dense(16, activation="relu")(inputs)
    hidden = layers.Dropout(0.1)(layers.Dense(16, activation="relu")(hidden))
    price = layers.Dense(1, name="price")(hidden)
    kind = layers.Dense(4, activation="softmax" if softmax else None, name="kind")(hidden)
    return Model(inputs, {"price": price, "kind": kind} if named else [price, kind])


def compiled(*, named: bool = False, **options: Any) -> Any:
    import keras

    keras.utils.set_random_seed(2)
    losses = {"price": "mse", "kind": CROSS} if named else ["mse", CROSS]
    model = two_heads(named=named)
    model.compile(**{"optimizer": keras.optimizers.Adam(3e-3), "loss": losses} | options)
    return model


def targets(*, named: bool = False, kind: Any = KIND) -> Any:
    return {"price": PRICE, "kind": kind} if named else [PRICE, kind]


def ran(model: Any, y: Any, *weights: Any, steps: int = 20) -> RunRecord:
    training = {"steps": steps, "batch_size": BATCH, "probe_samples": SAMPLES}
    return api.run({"training": training, "seed": 1}, model=model, data=(X, y, *weights))


def fitted(model: Any, y: Any, *weights: Any) -> RunRecord:
    from gradscope import GradientFlow

    flow = GradientFlow(every=1)
    given = dict(zip(("sample_weight",), weights, strict=False))
    fit = {"batch_size": BATCH, "epochs": 2, "verbose": 0, "shuffle": False, "callbacks": [flow]}
    model.fit(X, y, **fit, **given)
    return flow.record


def entropy(labels: Any) -> float:
    """Of the classes, the loss of the best constant answer to these labels."""
    shares = np.bincount(labels) / len(labels)
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())


@pytest.fixture(scope="module")
def record(tensorflow_once: Any) -> RunRecord:
    return ran(compiled(), targets())


def test_each_output_has_the_loss_that_keras_reports_for_it(record: RunRecord) -> None:
    price, kind = record.outputs
    assert [output.info.name for output in record.outputs] == ["price", "kind"]
    assert [o.info.objective.loss for o in record.outputs] == ["mean_squared_error", CROSS]
    np.testing.assert_allclose(price.loss + kind.loss, record.scalars["loss"], rtol=1e-6)
    model = compiled()
    untrained = model.predict(X, verbose=0)
    assert price.answers is not None
    assert kind.answers is not None
    # The constants on the probe set: the mean of the targets, and the shares of the classes.
    np.testing.assert_allclose(price.answers.constant_loss, PRICE.var(), rtol=1e-4)
    np.testing.assert_allclose(kind.answers.constant_loss, entropy(KIND), rtol=1e-4)
    assert kind.info.targets is not None
    np.testing.assert_allclose(kind.info.targets.shares, np.bincount(KIND) / SAMPLES)
    # Of the untrained model on the first batch, dropout apart: 32 samples of 320.
    assert kind.start is not None
    assert kind.start.values is not None
    expected = -np.log(untrained[1][np.arange(SAMPLES), KIND]).mean()
    np.testing.assert_allclose(kind.start.values.start, expected, rtol=0.35)
    assert np.isnan(price.accuracy).all()
    assert set(np.round(kind.accuracy * BATCH, 6) % 1) == {0.0}, "right answers are counted"


def test_the_callback_measures_them_on_its_batches(tensorflow_once: Any) -> None:
    model = compiled(optimizer="sgd", loss_weights=[0.0625, 4.0])
    model.optimizer.learning_rate = 0.0  # the weights stay: Keras's own losses are those of step 1
    record = fitted(model, targets(), [WEIGHTS, WEIGHTS])
    price, kind = record.outputs
    total = 0.0625 * price.loss + 4.0 * kind.loss
    np.testing.assert_allclose(total, record.scalars["loss"], rtol=1e-6)
    for row, step in enumerate(record.steps):
        part = slice((max(step, 1) - 1) * BATCH % SAMPLES, None)
        y, w = PRICE[part][:BATCH, 0], WEIGHTS[part][:BATCH]
        # The constant is chosen on all batches: the weighted mean of the targets.
        mean = float(np.average(PRICE[:, 0], weights=WEIGHTS))
        assert price.constant_loss[row] == pytest.approx(np.mean(w * (y - mean) ** 2), rel=0.02)


def test_files_keep_them(record: RunRecord) -> None:
    again = storage.loads(storage.dumps(record))
    assert [output.info for output in again.outputs] == [o.info for o in record.outputs]
    for one, other in zip(record.outputs, again.outputs, strict=True):
        assert repr((one.start, one.answers)) == repr((other.start, other.answers))
        np.testing.assert_array_equal(one.constant_loss, other.constant_loss)
    assert len(record.at_rows(slice(1, 3)).outputs[0].loss) == 2
    assert len(record.of_output(record.outputs[0]).outputs) == 0


def _subclassed() -> Any:
    import keras

    class Net(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = keras.layers.Dense(8, activation="relu")
            self.price, self.kind = keras.layers.Dense(1), keras.layers.Dense(4)

        def call(self, x: Any) -> Any:
            hidden = self.hidden(x)
            return {"price": self.price(hidden), "kind": self.kind(hidden)}

    model = Net()
    logits = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile("adam", {"price": "mae", "kind": logits})
    return model


FORMS: dict[str, tuple[Callable[[], Any], Callable[[], Any], list[str]]] = {
    "list": (compiled, targets, ["price", "kind"]),
    "named": (
        lambda: compiled(named=True),
        lambda: targets(named=True),
        ["price", "kind"],
    ),
    "subclassed": (_subclassed, lambda: targets(named=True), ["price", "kind"]),
    "an output that is not trained": (
        lambda: compiled(loss_weights=[1.0, 0.0]),
        targets,
        ["price"],
    ),
    "an output without a loss": (
        lambda: compiled(named=True, loss={"kind": CROSS}),
        lambda: {"kind": KIND},
        ["kind"],
    ),
    "one loss for both": (
        lambda: compiled(loss="mse"),
        lambda: [PRICE, np.eye(4, dtype="float32")[KIND]],
        ["price", "kind"],
    ),
}


@pytest.mark.parametrize("form", long_cases(FORMS, set(FORMS) - {"subclassed"}, "4 s each"))
def test_outputs_come_in_every_form(form: str, tensorflow_once: Any) -> None:
    build, y, names = FORMS[form]
    record = ran(build(), y(), steps=3)
    assert sorted(output.info.name for output in record.outputs) == sorted(names)
    for output in record.outputs:
        assert np.isfinite(output.loss).all(), output.info.name
        assert np.isfinite(output.constant_loss).all(), output.info.name
    assert not record.faults


def test_a_fit_of_several_outputs_is_the_same_to_the_bit(tensorflow_once: Any) -> None:
    from gradscope import GradientFlow

    results = []
    for callbacks in ([], [GradientFlow(every=1)]):
        factors = {"price": 0.1, "kind": 2.0}
        model = compiled(named=True, metrics={"kind": "acc"}, loss_weights=factors)
        fit = {"batch_size": BATCH, "epochs": 2, "verbose": 0, "callbacks": callbacks}
        results.append(bits(model, model.fit(X, targets(named=True), **fit)))
    assert_same(*results)


def test_a_run_of_several_outputs_is_the_same_to_the_bit(runner_settings: Any) -> None:
    from gradscope.record.builder import RecordBuilder
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    trained = []
    for measure in (True, False):
        model = compiled(loss_weights=[0.1, 2.0])
        source = {"factory": "given:model"}
        config = api.load_config(
            {
                "model": source,
                "data": {"factory": "given:data"},
                "training": {"steps": 12, "batch_size": BATCH},
            }
        )
        work = workload.from_model(config, model, (X, targets()))
        experiment = Experiment(config, work, measure=measure)
        builder = RecordBuilder()
        builder.begin(experiment.beginning())
        experiment.train(builder)
        trained.append(
            [*experiment.weights(), *(v.numpy() for v in experiment.optimizer.variables)]
        )
    for one, other in zip(*trained, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_output_at_chance_is_named_beside_a_larger_loss(tensorflow_once: Any) -> None:
    shuffled = np.random.default_rng(3).permutation(KIND)
    sick = api.analyze(ran(compiled(), targets(kind=shuffled), steps=100)).diagnosis
    assert str(sick.verdict) == "unhealthy"
    assert sick.headline.startswith("The output kind does not learn"), sick.headline


def test_two_outputs_that_learn_are_healthy(tensorflow_once: Any) -> None:
    healthy = api.analyze(ran(compiled(), targets(), steps=100)).diagnosis
    assert str(healthy.verdict) == "healthy", healthy.headline
