"""The facts of the start against closed forms in numpy, and what measuring leaves as it was."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from tests.each_case import each_case

pytestmark = pytest.mark.tensorflow

RNG = np.random.default_rng(7)
X = RNG.normal(size=(64, 5)).astype("float32")
LABELS = RNG.choice(3, 64, p=[0.6, 0.3, 0.1])
REAL = RNG.normal(4.0, 2.0, size=(64, 1)).astype("float32")
COIN = (RNG.random((64, 1)) < 0.25).astype("float32")


def measured(loss: Any, y: Any, *layers: Any, x: Any = X, weights: Any = None) -> Any:
    """The facts for a model that ends in `layers`, on one batch of all samples."""
    import keras

    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import StartMeasurement

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input(x.shape[1:]), *layers])
    model.compile("sgd", loss)
    return StartMeasurement(model, compiled_objective(y)).before((x, y, weights)), model


def dense(units: int, activation: str | None = None) -> Any:
    import keras

    return keras.layers.Dense(units, activation=activation)


def entropy(shares: Any) -> float:
    return float(-np.sum(shares * np.log(shares)))


def own_squares(y: Any, p: Any) -> Any:
    from keras import ops

    return ops.mean(ops.square(y - p), axis=-1)


def own_quarters(y: Any, p: Any) -> Any:
    """Smallest for the quantile of 3/4."""
    from keras import ops

    return ops.mean(ops.maximum(0.75 * (y - p), 0.25 * (p - y)), axis=-1)


def own_density(y: Any, p: Any) -> Any:
    """Of a normal distribution: two answers for each target."""
    from keras import ops

    return 0.5 * ops.square((y - p[:, :1]) * ops.exp(-p[:, 1:])) + p[:, 1:]


SHARES = np.bincount(LABELS) / 64
RATE = float(COIN.mean())
CONSTANTS: dict[str, tuple[Any, Any, int, str | None, float]] = {
    "mse": ("mse", REAL, 1, None, float(REAL.astype(float).var())),
    "mae": ("mae", REAL, 1, None, float(np.abs(REAL - np.median(REAL)).mean())),
    "own squares": (own_squares, REAL, 1, None, float(REAL.astype(float).var())),
    "own quarters": (
        own_quarters,
        REAL,
        1,
        None,
        min(
            float(np.maximum(0.75 * (REAL - c), 0.25 * (c - REAL)).mean())
            for c in np.linspace(REAL.min(), REAL.max(), 20_001)
        ),
    ),
    "own density": (own_density, REAL, 2, None, 0.5 + math.log(float(REAL.astype(float).std()))),
    "classes": ("sparse_categorical_crossentropy", LABELS, 3, "softmax", entropy(SHARES)),
    "one-hot": ("categorical_crossentropy", np.eye(3)[LABELS], 3, "softmax", entropy(SHARES)),
    "binary": ("binary_crossentropy", COIN, 1, "sigmoid", entropy(np.array([RATE, 1 - RATE]))),
}


@each_case("name", CONSTANTS)
def test_the_loss_of_the_best_constant(name: str) -> None:
    loss, y, units, activation, expected = CONSTANTS[name]
    facts, _ = measured(loss, y, dense(units, activation))
    assert facts.constant is not None, facts.unmeasured
    assert facts.constant.loss == pytest.approx(expected, rel=2e-3)
    assert facts.constant.loss >= expected - 1e-5 * abs(expected)
    assert facts.values.constant == pytest.approx(facts.constant.loss, rel=1e-6)
    assert facts.values.start >= 0.9 * facts.constant.loss
    assert (facts.constant.chosen_on, facts.constant.samples) == (64, 64)


def test_the_constant_of_classes_is_their_shares() -> None:
    facts, _ = measured("sparse_categorical_crossentropy", LABELS, dense(3, "softmax"))
    assert facts.constant.values == pytest.approx(SHARES, abs=1e-6)


def logits_loss(y: Any, p: Any) -> Any:
    import tensorflow as tf

    labels = tf.cast(tf.reshape(y, [-1]), "int32")
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, p)


def smoothed() -> Any:
    import keras

    return keras.losses.CategoricalCrossentropy(label_smoothing=0.1)


TWICE = math.log(1 + 2 / math.e)
ONE_HOT = np.eye(3, dtype="float32")[LABELS]
KEPT = np.array([1 - 0.1 + 0.1 / 3, 0.1 / 3, 0.1 / 3])
RIGHT: dict[str, tuple[Any, Any, int, str | None, float, float]] = {
    # The loss, targets, units, activation; the loss of right and of neutral answers.
    "softmax": ("sparse_categorical_crossentropy", LABELS, 3, "softmax", 0.0, math.log(3)),
    "logits": (logits_loss, LABELS, 3, None, 0.0, math.log(3)),
    "softmax twice": (logits_loss, LABELS, 3, "softmax", TWICE, math.log(3)),
    "smoothed": (smoothed, ONE_HOT, 3, "softmax", entropy(KEPT), math.log(3)),
    "binary": ("binary_crossentropy", COIN, 1, "sigmoid", 0.0, math.log(2)),
    "squares": ("mse", REAL, 1, None, 0.0, float(np.mean(REAL.astype(float) ** 2))),
    "squares of tanh": ("mse", COIN * 2 - 1, 1, "tanh", 0.0, 1.0),
}


@each_case("name", RIGHT)
def test_the_loss_of_right_answers_in_the_model_s_own_graph(name: str) -> None:
    loss, y, units, activation, right, neutral = RIGHT[name]
    facts, _ = measured(loss() if loss is smoothed else loss, y, dense(units, activation))
    # Scales of 1, 4, 16 and 64 come within a tenth of the smallest loss of smoothed labels.
    tolerance = 0.1 * neutral if loss is smoothed else 1e-5
    assert facts.values.right == pytest.approx(right, abs=tolerance)
    assert facts.values.neutral == pytest.approx(neutral, rel=1e-5)


def test_the_right_answers_of_other_samples_have_the_loss_of_numpy() -> None:
    wide = REAL.astype(float)
    facts, _ = measured("mse", REAL, dense(1))
    exchanged = float(np.mean((np.roll(wide, 1, axis=0) - wide) ** 2))
    assert facts.values.exchanged == pytest.approx(exchanged, rel=1e-5)


def test_targets_in_another_order_change_the_gradient_as_in_numpy() -> None:
    facts, model = measured("mse", REAL, dense(1))
    answers = model(X).numpy()
    found = facts.dependence
    # dL/dp = 2 (p - y) / n: the change is that of the targets, of which a fixed share is moved.
    erased = REAL - REAL[:1]
    size = np.sqrt(np.mean((answers - REAL) ** 2))
    assert found.erased_change == pytest.approx(np.sqrt(np.mean(erased**2)) / size, rel=1e-4)
    assert found.moved > 0.9
    assert 0.5 < found.change * size / (math.sqrt(2) * REAL.std()) < 1.5
    assert (found.target_shape, found.answer_shape) == ((64, 1), (64, 1))


def test_broadcast_targets_do_not_change_it() -> None:
    facts, _ = measured(own_squares_alone(), REAL[:, 0], dense(1))
    assert facts.dependence.change < 1e-6
    assert facts.dependence.erased_change > 0.1


def own_squares_alone() -> Any:
    """A `Loss`, whose targets Keras leaves as they are."""
    import keras

    class Squares(keras.losses.Loss):
        def call(self, y: Any, p: Any) -> Any:
            return own_squares(y, p)

    return Squares()


def test_penalties_stay_out_of_the_values_and_are_counted() -> None:
    import keras

    layer = keras.layers.Dense(1, kernel_regularizer=keras.regularizers.L2(10.0))
    facts, model = measured("mse", REAL, layer)
    kernel, answers = model.weights[0].numpy(), model(X).numpy()
    assert facts.values.penalty == pytest.approx(10.0 * np.sum(kernel**2), rel=1e-5)
    assert facts.values.start == pytest.approx(np.mean((answers - REAL) ** 2), rel=1e-5)


def test_sample_weights_count_in_every_value() -> None:
    weights = np.repeat([0.0, 2.0], 32).astype("float32")
    facts, _ = measured("mse", REAL, dense(1), weights=weights)
    late = REAL[32:].astype(float)
    mean = REAL.astype(float).mean()
    assert facts.values.constant <= np.mean((late - mean) ** 2) * (1 + 1e-5)


def test_answers_beside_targets() -> None:
    facts, model = measured("mse", REAL, dense(1))
    answers = model(X).numpy().astype(float)
    assert facts.scale.answers == pytest.approx(np.sqrt(np.mean(answers**2)), rel=1e-5)
    assert facts.scale.targets == pytest.approx(np.sqrt(np.mean(REAL.astype(float) ** 2)), rel=1e-6)
    assert facts.scale.distance == pytest.approx(np.sqrt(np.mean((REAL - answers) ** 2)), rel=1e-5)
    assert facts.scale.saturated is None
    sure, _ = measured("binary_crossentropy", COIN, dense(1, "sigmoid"), x=X * 1e6)
    assert sure.scale.saturated == 1.0
    assert sure.scale.targets is None


REFUSED: dict[str, tuple[Any, Any, dict[str, str]]] = {
    "one target for all": ("mse", np.ones((64, 1)), {"dependence": "the same"}),
    "raises": (
        lambda y, p: 1 / 0,
        REAL,
        {"dependence": "ZeroDivision", "constant": "ZeroDivision", "values": "ZeroDivision"},
    ),
    "no slope": (
        lambda y, p: own_squares(y, __import__("keras").ops.stop_gradient(p)),
        REAL,
        {"dependence": "no slope"},
    ),
}


@each_case("name", REFUSED)
def test_what_cannot_be_measured_says_why_and_costs_no_other_fact(name: str) -> None:
    loss, y, reasons = REFUSED[name]
    facts, _ = measured(loss, y, dense(1))
    assert {key: facts.unmeasured[key] for key in facts.unmeasured} == facts.unmeasured
    assert set(facts.unmeasured) >= set(reasons)
    for key, part in reasons.items():
        assert part in facts.unmeasured[key]
    assert facts.scale is not None
    assert facts.weights.weights == 2


def test_a_compute_loss_of_the_model_s_own_is_called_with_other_answers() -> None:
    """Where targets and answers are all that it needs; else its facts say why there are none."""
    import keras

    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import StartMeasurement

    class Own(keras.Model):
        def __init__(self, *, needs_inputs: bool) -> None:
            super().__init__()
            self.inner = dense(1)
            self.needs_inputs = needs_inputs

        def call(self, x: Any) -> Any:
            return self.inner(x)

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, **_: Any) -> Any:
            distance = keras.ops.mean(keras.ops.square(y - y_pred))
            return distance + keras.ops.mean(x) if self.needs_inputs else 3.0 * distance

    def facts(*, needs_inputs: bool) -> Any:
        model = Own(needs_inputs=needs_inputs)
        model(X)
        model.compile("sgd", "mse")
        return StartMeasurement(model, compiled_objective(REAL)).before((X, REAL, None))

    known = facts(needs_inputs=False)
    assert known.values.right == 0.0
    assert known.constant.loss == pytest.approx(3.0 * float(np.var(REAL)), rel=1e-5)
    assert known.dependence.change > 0.1
    unknown = facts(needs_inputs=True)
    assert "compute_loss needs more than targets and answers" in unknown.unmeasured["values"]
    assert unknown.weights.trained == 2


def test_weights_are_counted_by_what_trains() -> None:
    import keras

    inner = keras.Sequential([keras.Input((5,)), dense(4), keras.layers.BatchNormalization()])
    inner.trainable = False
    facts, _ = measured("mse", REAL, inner, dense(1))
    counts = facts.weights
    assert (counts.weights, counts.trained) == (6, 2)
    assert (counts.parameters, counts.trained_parameters) == (24 + 8 + 5, 5)
    assert counts.frozen_by == (inner.name,)
    assert counts.unknown == ()


def test_variables_in_objects_that_keras_does_not_track_are_found() -> None:
    import keras
    import tensorflow as tf

    class Held:
        """An object of no Keras class, with a layer in it."""

        def __init__(self) -> None:
            self.layer = keras.layers.Dense(4, name="held")

    class Outer(keras.layers.Layer):
        def __init__(self) -> None:
            super().__init__(name="outer")
            self.held = Held()
            self.stopped = tf.Variable(tf.ones(4))

        def call(self, x: Any) -> Any:
            return self.held.layer(x) * tf.stop_gradient(self.stopped)

    facts, _ = measured("mse", REAL, Outer(), dense(1))
    held, *others = sorted(facts.weights.unknown, key=lambda item: not item.reached)
    assert (held.layer, held.count, held.parameters, held.reached) == ("outer", 2, 24, True)
    assert not any(item.reached for item in others), "what stands behind a stop_gradient"


def test_measuring_leaves_every_state_as_it_was() -> None:
    import random

    import keras

    class Noisy(keras.layers.Layer):
        def call(self, x: Any) -> Any:
            return x + keras.random.normal((5,))

    def state(model: Any) -> list[Any]:
        drawn = [random.random(), np.random.rand(), keras.random.normal((1,)).numpy()]
        return [*(v.numpy() for v in [*model.variables, *model.metrics_variables]), *drawn]

    def build() -> Any:
        keras.utils.set_random_seed(3)
        layers = [keras.layers.Dropout(0.5), keras.layers.BatchNormalization(), Noisy(), dense(1)]
        model = keras.Sequential([keras.Input((5,)), *layers])
        model.compile("sgd", "mse")
        return model

    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import StartMeasurement

    plain = build()
    expected = state(plain)
    model = build()
    measurement = StartMeasurement(model, compiled_objective(REAL))
    facts = measurement.before((X, REAL, None))
    measurement.after_first_update(facts, X)
    assert math.isfinite(measurement.constant_loss(REAL, None))
    for one, other in zip(state(model), expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_first_update_s_change_has_the_masks_of_the_first_pass() -> None:
    """Without an update in between nothing changes, whatever is drawn."""
    import keras

    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import StartMeasurement

    layers = [keras.layers.Dropout(0.5), keras.layers.BatchNormalization(), dense(1)]
    model = keras.Sequential([keras.Input((5,)), *layers])
    model.compile("sgd", "mse")
    measurement = StartMeasurement(model, compiled_objective(REAL))
    facts = measurement.before((X, REAL, None))
    model(X, training=True)
    still = measurement.after_first_update(facts, X)
    assert still.scale.first_change == 0.0
    facts = measurement.before((X, REAL, None))
    model.layers[-1].bias.assign_add([0.25])
    moved = measurement.after_first_update(facts, X)
    assert moved.scale.first_change == pytest.approx(0.25, rel=1e-5)


def test_a_loss_that_draws_leaves_its_generator_as_it_was() -> None:
    import keras

    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import StartMeasurement

    generator = keras.random.SeedGenerator(5)

    def noisy(y: Any, p: Any) -> Any:
        return own_squares(y + 0.1 * keras.random.normal(keras.ops.shape(p), seed=generator), p)

    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((5,)), dense(1)])
    model.generator = generator  # a state of the model, as that of a layer
    model.compile("sgd", noisy)
    measurement = StartMeasurement(model, compiled_objective(REAL))
    before = generator.state.numpy()
    measurement.before((X, REAL, None))
    assert math.isfinite(measurement.constant_loss(REAL, None))
    np.testing.assert_array_equal(generator.state.numpy(), before)


def test_targets_of_many_shapes_are_not_traced_one_by_one() -> None:
    from gradscope.runner.objective.objective import compiled_objective
    from gradscope.runner.objective.start import MOST_SHAPES, StartMeasurement

    _, model = measured("mse", REAL, dense(1))
    measurement = StartMeasurement(model, compiled_objective(REAL))
    measurement.before((X, REAL, None))
    losses = [measurement.constant_loss(REAL[:size], None) for size in range(1, 13)]
    assert np.isfinite(losses[:MOST_SHAPES]).all()
    assert np.isnan(losses[MOST_SHAPES:]).all()
