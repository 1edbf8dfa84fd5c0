"""What lies between the weights, and how layers hang together: rows, order, reasons, figures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from gradscope.record import UnmeasuredReason
from gradscope.reporters.unmeasured_reasons import reason_sentence
from tests.oracle import layer_maths as maths
from tests.oracle.complex_step import relu, softmax
from tests.runner.measuring import (
    BATCH,
    Case,
    absent,
    compare,
    head,
    inputs,
    sequential,
    step,
    stirred,
)
from tests.runner.measuring import targets as drawn

pytestmark = pytest.mark.tensorflow
NOTHING = np.zeros((BATCH, 2), np.float32)
BATCH_NORM = {
    "batch_norm_mean_gap",
    "batch_norm_variance_ratio",
    "batch_norm_gamma_mean",
    "batch_norm_gamma_second_moment",
    "batch_norm_beta_second_moment",
}
KERNEL = {
    "kernel_gradient_second_moment",
    "kernel_gradient_variance",
    "update_ratio",
    "weight_second_moment",
    "weight_variance",
}
BIAS = {"bias_gradient_second_moment"}
DERIVATIVE = {"derivative_gain", "dead_fraction"}


def pooling() -> Case:
    """A small residual CNN: conv, max pooling, a 1x1 conv beside it, their sum, global mean."""

    def build() -> Any:
        import keras

        layers = keras.layers
        given = keras.Input((5, 5, 1))
        h = layers.Conv2D(2, 2, activation="relu", name="conv")(given)
        pooled = layers.MaxPooling2D(2, name="pool")(h)
        inner = layers.Conv2D(2, 1, name="inner")(pooled)
        h = layers.Add(name="sum")([pooled, inner])
        h = layers.GlobalAveragePooling2D(name="mean")(layers.ReLU(name="act")(h))
        return keras.Model(given, layers.Dense(2, name="head")(h))

    def network(t: Any, w: Any, x: Any) -> Any:
        ones = (1, 1)
        z = maths.convolution(x, w["conv/kernel"], ones, ones) + w["conv/bias"]
        pooled = t.layer("pool", maths.max_pool(t.weighted("conv", z, "relu"), 2))
        z = maths.convolution(pooled, w["inner/kernel"], ones, ones) + w["inner/bias"]
        h = t.layer("sum", pooled + t.weighted("inner", z))
        h = t.layer("act", h, "relu")
        return head(t, w, t.layer("mean", h.mean((1, 2))))

    return Case(build, network, inputs(5, 5, 1))


def shared() -> Case:
    """One layer called twice, and what it gave joined with its own input."""

    def build() -> Any:
        import keras

        layers = keras.layers
        given = keras.Input((3,))
        twice = layers.Dense(3, activation="tanh", name="twice")
        first = twice(given)
        h = twice(first)
        h = layers.Multiply(name="product")([h, first])
        h = layers.Concatenate(name="joined")([h, given])
        return keras.Model(given, layers.Dense(2, name="head")(h))

    def network(t: Any, w: Any, x: Any) -> Any:
        k, b = w["twice/kernel"], w["twice/bias"]
        weights = {"kernels": ("twice/kernel",), "bias": "twice/bias"}
        first = t.layer("twice", x @ k + b, "tanh", **weights)
        h = t.layer("twice#2", first @ k + b, "tanh", **weights)
        h = t.layer("product", h * first)
        return head(t, w, t.layer("joined", np.concatenate([h, x], -1)))

    return Case(build, network, inputs(3))


def nested() -> Case:
    """A model inside a model, and a frozen layer behind it."""

    def build() -> Any:
        import keras

        layers = keras.layers
        inner = keras.Sequential(
            [
                keras.Input((3,)),
                layers.Dense(4, activation="elu", name="a"),
                layers.Dense(3, name="b"),
            ],
            name="inner",
        )
        frozen = layers.Dense(3, activation="tanh", name="frozen", trainable=False)
        given = keras.Input((3,))
        return keras.Model(given, layers.Dense(2, name="head")(frozen(inner(given))))

    def network(t: Any, w: Any, x: Any) -> Any:
        own = {
            n: {"kernels": (f"inner/{n}/kernel",), "bias": f"inner/{n}/bias"} for n in ("a", "b")
        }
        h = t.layer("a", x @ w["inner/a/kernel"] + w["inner/a/bias"], "elu", **own["a"])
        h = t.layer("b", h @ w["inner/b/kernel"] + w["inner/b/bias"], "linear", **own["b"])
        return head(t, w, t.weighted("frozen", h @ w["frozen/kernel"] + w["frozen/bias"], "tanh"))

    return Case(build, network, inputs(3), frozen=("frozen/kernel", "frozen/bias"))


def separate_activations() -> Case:
    """Activation layers: known, unknown to the catalog, across units, and behind a reshape."""

    def build() -> Any:
        import keras

        layers = keras.layers
        given = keras.Input((4,))
        h = layers.Dense(4, name="a")(given)
        h = layers.Reshape((2, 2), name="reshape")(h)
        h = layers.ReLU(max_value=0.5, name="clipped")(h)
        h = layers.Flatten(name="flat")(h)
        h = layers.Dense(3, name="b")(h)
        h = layers.Softmax(name="shares")(h)
        h = layers.Dense(3, activation=keras.ops.square, name="c")(h)
        return keras.Model(given, layers.Dense(2, name="head")(h))

    def clipped(z: Any) -> Any:
        return np.where(z.real > 0.5, 0.5, relu(z))

    def network(t: Any, w: Any, x: Any) -> Any:
        z = {"a": x @ w["a/kernel"] + w["a/bias"]}
        own = {n: {"kernels": (f"{n}/kernel",), "bias": f"{n}/bias"} for n in "abc"}
        h = t.layer("a", z["a"], clipped, **own["a"])
        h = t.layer("b", h @ w["b/kernel"] + w["b/bias"], softmax, **own["b"])
        h = t.layer("c", h @ w["c/kernel"] + w["c/bias"], lambda z: z**2, **own["c"])
        return head(t, w, h)

    silent = ("reshape", "clipped", "flat", "shares")
    return Case(build, network, inputs(4), silent=silent)


def embedded() -> Case:
    """Integers through an embedding beside floats: the rows of the table that are not looked up
    have no gradient and count."""

    def build() -> Any:
        import keras

        layers = keras.layers
        words, given = keras.Input((4,), dtype="int32"), keras.Input((2,))
        h = layers.Embedding(5, 3, name="table")(words)
        h = layers.GlobalAveragePooling1D(name="mean")(h)
        h = layers.Concatenate(name="joined")([h, given])
        return keras.Model([words, given], layers.Dense(2, name="head")(h))

    def network(t: Any, w: Any, x: Any) -> Any:
        words, given = x
        found = w["table/embeddings"][words]
        h = t.layer("table", found, "linear", kernels=["table/embeddings"])
        h = t.layer("mean", h.mean(1))
        return head(t, w, t.layer("joined", np.concatenate([h, given], -1)))

    words = np.random.default_rng(4).integers(0, 4, (BATCH, 4)).astype(np.int32)
    return Case(build, network, [words, inputs(2)])


def several_outputs() -> Case:
    def build() -> Any:
        import keras

        layers = keras.layers
        given = keras.Input((3,))
        h = layers.Dense(4, activation="relu", name="trunk")(given)
        side = layers.Dense(1, name="side")(h)
        return keras.Model(given, [layers.Dense(2, name="main")(h), side])

    def network(t: Any, w: Any, x: Any) -> Any:
        h = t.weighted("trunk", x @ w["trunk/kernel"] + w["trunk/bias"], "relu")
        side = t.weighted("side", h @ w["side/kernel"] + w["side/bias"])
        return [t.weighted("main", h @ w["main/kernel"] + w["main/bias"]), side]

    return Case(build, network, inputs(3))


CASES = {
    "pooling and a residual": pooling,
    "a shared layer": shared,
    "nested, frozen": nested,
    "separate activations": separate_activations,
    "embedding beside floats": embedded,
    "two outputs": several_outputs,
}


@pytest.mark.parametrize("case", CASES)
def test_every_statistic_is_the_oracle_s(case: str, runner_settings: Any) -> None:
    compare(CASES[case]())


def test_what_is_missing_has_its_reason(runner_settings: Any) -> None:
    """A statistic is absent where the layer lacks its object, or where `unmeasured` says why."""
    for case in (nested(), separate_activations(), pooling()):
        model = stirred(case.build())
        measured = step(model, case.x, drawn(model, case.x))
        for info in measured.layers:
            if not info.measured:
                assert info.reason
                continue
            lacking = set(BATCH_NORM)
            if info.initializer is None:
                lacking |= KERNEL
            if not info.use_bias:
                lacking |= BIAS
            if info.activation is None:
                lacking |= DERIVATIVE
            assert absent(measured)[info.name] == lacking | set(info.unmeasured), info.name
            assert all(info.unmeasured.values())


@pytest.mark.parametrize(("dtype", "relative"), [("float64", 1e-11), ("float32", 4e-6)])
def test_dense_layers_agree_as_far_as_their_type_does(
    dtype: str, relative: float, runner_settings: Any
) -> None:
    """In float64 the figures are the oracle's to rounding: measuring adds no error of its own.

    In float32 the passes themselves round, the forward one less than 1e-6 of each figure; a delta
    of 1e-6 of the difference that it starts from (outputs against targets) cannot be asked for.
    """
    build = sequential(
        lambda layers: layers.Dense(5, activation="tanh", name="a", dtype=dtype),
        lambda layers: layers.Dense(4, activation="relu", name="b", dtype=dtype),
        shape=(6,),
        dtype=dtype,
    )

    def network(t: Any, w: Any, x: Any) -> Any:
        h = t.weighted("a", x @ w["a/kernel"] + w["a/bias"], "tanh")
        return head(t, w, t.weighted("b", h @ w["b/kernel"] + w["b/bias"], "relu"))

    case = Case(build, network, inputs(6).astype(dtype), silent=("flat",))
    with default_type(dtype):
        measured, result = compare(case, relative)
    for name, row in result.rows.items():
        for statistic, values in (("preactivation", row.z), ("activation", row.a)):
            found = measured.figures[name][f"{statistic}_second_moment"]
            assert found == pytest.approx(np.mean(values**2), rel=1e-6)


@contextlib.contextmanager
def default_type(dtype: str) -> Iterator[None]:
    """Keras's own default while a model is built: its head, its flattening, its optimizer."""
    import keras

    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy("float32")


def test_reasons_in_words(runner_settings: Any) -> None:
    case = separate_activations()
    layers = {info.name: info for info in step(case.build(), case.x, NOTHING).layers}
    assert layers["a"].unmeasured["derivative_gain"] is UnmeasuredReason.UNKNOWN_DERIVATIVE
    assert layers["a"].activation == "relu with max_value or threshold"
    assert layers["b"].unmeasured["dead_fraction"] is UnmeasuredReason.NOT_ELEMENTWISE
    assert layers["b"].activation == "softmax"
    assert layers["c"].unmeasured["derivative_gain"] is UnmeasuredReason.UNKNOWN_DERIVATIVE
    assert layers["c"].activation == "square"
    sentence = reason_sentence(layers["c"], layers["c"].unmeasured["derivative_gain"])
    assert sentence == "the derivative of square is not in the catalog"
    assert layers["shares"].activation_of == "b"
    assert reason_sentence(layers["shares"]) == "measured as the activation of b"
    case = nested()
    layers = {info.name: info for info in step(case.build(), case.x, NOTHING).layers}
    assert set(layers["frozen"].unmeasured) == KERNEL | BIAS
    assert layers["frozen"].unmeasured["update_ratio"] is UnmeasuredReason.FROZEN
    assert list(layers) == ["a", "b", "frozen", "head"]


def test_layers_that_choose_at_random_pass_signals_on(runner_settings: Any) -> None:
    """Dropout between weights and activation: z is what the activation receives, zeros and all."""
    names = ("Dropout", "SpatialDropout1D", "GaussianDropout", "AlphaDropout", "GaussianNoise")

    def body(layers: Any) -> Any:
        def through(x: Any) -> Any:
            for name in names:
                x = getattr(layers, name)(0.3, name=name)(layers.Dense(4, name=f"to_{name}")(x))
            return layers.Activation("relu", name="act")(x)

        return through

    model = stirred(sequential(body, shape=(6, 4))())
    x = inputs(6, 4)
    measured = step(model, x, drawn(model, x))
    for name in names:
        assert measured.layer(name).reason is UnmeasuredReason.RANDOM_VALUES
        plain = name not in ("AlphaDropout", "GaussianNoise")
        assert measured.layer(f"to_{name}").dropout == (0.3 if plain else 0.0)
    last = measured.layer(f"to_{names[-1]}")
    assert (last.activation, measured.layer("act").measured) == ("relu", False)


def test_masked_values_stay_out_of_a_batch_norm_s_figures(runner_settings: Any) -> None:
    import keras

    given = keras.Input((3, 2))
    h = keras.layers.BatchNormalization(name="norm")(keras.layers.Masking(9.0)(given))
    model = keras.Model(given, keras.layers.Dense(2, name="head")(h))
    x = inputs(3, 2)
    mask = np.array([[1, 0, 1], [1, 1, 0], [0, 1, 1]], bool)
    x[~mask] = 9.0
    found = step(model, x, drawn(model, x)).figures["norm"]
    kept = x[mask].astype(np.float64)
    gap = np.sqrt(np.mean(kept.mean(0) ** 2 / 1.001))
    ratio = np.exp(np.mean(np.log((kept.var(0) + 1e-3) / 1.001)))
    assert found["batch_norm_mean_gap"] == pytest.approx(gap, rel=1e-5)
    assert found["batch_norm_variance_ratio"] == pytest.approx(ratio, rel=1e-5)


def test_a_reshaped_output_is_still_the_output(runner_settings: Any) -> None:
    import keras

    given = keras.Input((3,))
    h = keras.layers.Dense(4, name="last")(given)
    model = keras.Model(given, keras.layers.Reshape((2, 2), name="reshape")(h))
    measured = step(model, inputs(3), np.zeros((BATCH, 2, 2), np.float32))
    assert measured.layer("last").role == "output"
