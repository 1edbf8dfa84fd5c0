"""Recurrent layers: their figures and delta at each time step against unrolled numpy cells."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record import UnmeasuredReason
from tests.oracle import complex_step
from tests.oracle import layer_maths as maths
from tests.runner.measuring import BATCH, Case, compare, head, inputs, sequential, step, stirred
from tests.runner.measuring import targets as drawn

pytestmark = pytest.mark.tensorflow
TIMES, FEATURES, UNITS = 4, 2, 2
PROFILE = "recurrent_delta_second_moment"
LAYERS = {"simple_rnn": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


def cell(w: Any, path: str) -> dict[str, Any]:
    return {name: w[f"{path}/{name}"] for name in ("kernel", "recurrent_kernel", "bias")}


def own(path: str) -> dict[str, Any]:
    return {"kernels": (f"{path}/kernel", f"{path}/recurrent_kernel"), "bias": f"{path}/bias"}


def one(kind: str, *, sequences: bool, mask: Any = None, **options: Any) -> Case:
    """One recurrent layer between an input and the head; `mask` [sample, time] leaves steps out."""
    path = f"loop/{kind}_cell"
    shape = (TIMES, FEATURES)

    def network(t: Any, w: Any, x: Any) -> Any:
        states = maths.unrolled(
            kind,
            cell(w, path),
            x,
            offsets=t.displaced.get("in time"),
            mask=mask,
            backwards=options.get("go_backwards", False),
        )
        h = states if sequences else states[:, -1]
        return head(t, w, t.layer("loop", h, **own(path)))

    layer = lambda layers: getattr(layers, LAYERS[kind])(  # noqa: E731
        UNITS, return_sequences=sequences, name="loop", **options
    )
    x = inputs(*shape)
    if mask is None:
        return Case(sequential(layer, shape=shape), network, x, silent=("flat",))
    masking = lambda layers: layers.Masking(9.0, name="masking")  # noqa: E731
    x[~mask] = 9.0
    build = sequential(masking, layer, shape=shape)
    return Case(build, network, x, silent=("masking", "flat"))


MASK = np.array([[1, 1, 0, 0], [1, 0, 1, 0], [1, 1, 1, 0]], bool)
CASES = {
    **{f"{kind}, last": one(kind, sequences=False) for kind in LAYERS},
    **{f"{kind}, sequences": one(kind, sequences=True) for kind in LAYERS},
    "lstm, backwards": one("lstm", sequences=False, go_backwards=True),
    "gru, backwards, sequences": one("gru", sequences=True, go_backwards=True),
    "simple_rnn, unrolled": one("simple_rnn", sequences=False, unroll=True),
    "lstm, masked": one("lstm", sequences=False, mask=MASK),
    "gru, masked": one("gru", sequences=False, mask=MASK),
}


@pytest.mark.parametrize("case", CASES)
def test_every_statistic_and_delta_in_time_are_the_oracle_s(
    case: str, runner_settings: Any
) -> None:
    given = CASES[case]
    measured, _ = compare(given)
    info = measured.layer("loop")
    assert (info.time_steps, info.use_bias) == (TIMES, True)
    assert info.go_backwards == ("backwards" in case)
    assert info.unmeasured["derivative_gain"] is UnmeasuredReason.ACTIVATION_IN_LOOP
    assert PROFILE not in info.unmeasured
    model = stirred(given.build())
    weights = {w.path: np.asarray(w.numpy(), np.float64) for w in model.weights}
    y, x = drawn(model, given.x), given.x.astype(np.float64)

    def loss(name: str, offset: Any) -> Any:
        trace = complex_step.Trace({name: offset})
        return complex_step.mean_squared_error(given.network(trace, weights, x), y)

    delta = complex_step.slope(loss, "in time", (BATCH, TIMES, UNITS)) * BATCH
    mask = MASK if "masked" in case else np.ones((BATCH, TIMES), bool)
    for at in range(TIMES):
        kept = delta[mask[:, at], at]
        wanted = np.mean(kept**2) if len(kept) else np.nan
        assert measured.times["loop"][at] == pytest.approx(wanted, rel=1e-5, nan_ok=True)
    # The complex step itself, against central differences.
    for at in ((0, 0, 0), (1, 0, 1), (2, TIMES - 2, 0)):
        bump = np.zeros((BATCH, TIMES, UNITS))
        bump[at] = 1e-6
        difference = (loss("in time", bump) - loss("in time", -bump)) / 2e-6 * BATCH
        assert difference == pytest.approx(delta[at], rel=1e-6, abs=1e-9)


def test_delta_of_the_last_step_is_that_of_the_output_and_earlier_ones_pass_through_the_matrix(
    runner_settings: Any,
) -> None:
    """A linear recurrence h_t = x_t + c h_(t-1): dL/dh_t falls by c at each step back, exactly."""
    import keras

    given = keras.Input((6, 1))
    cell = keras.layers.SimpleRNNCell(1, activation="linear", use_bias=False)
    model = keras.Model(given, keras.layers.RNN(cell, name="loop")(given))
    model.set_weights([np.ones((1, 1)), np.full((1, 1), 0.5)])
    x = inputs(6, 1)
    times = step(model, x, drawn(model, x)).times["loop"]
    assert times[1:] / times[:-1] == pytest.approx(np.full(5, 4.0), rel=1e-6)


def _bidirectional(merge: str) -> Case:
    def network(t: Any, w: Any, x: Any) -> Any:
        made = []
        for name in ("forward", "backward"):
            path = f"both/{name}_loop/lstm_cell"
            h = maths.unrolled(
                "lstm",
                cell(w, path),
                x,
                offsets=t.displaced.get(f"{name} in time"),
                backwards=name == "backward",
            )
            made.append(t.layer(f"{name}_loop", h, **own(path)))
        there, back = made[0], made[1][:, ::-1]
        h = there + back if merge == "sum" else np.concatenate([there, back], -1)
        return head(t, w, h)

    layer = lambda layers: layers.Bidirectional(  # noqa: E731
        layers.LSTM(UNITS, return_sequences=True, name="loop"), merge_mode=merge, name="both"
    )
    shape = (TIMES, FEATURES)
    return Case(sequential(layer, shape=shape), network, inputs(*shape), silent=("flat",))


@pytest.mark.parametrize("merge", ["concat", "sum"])
def test_both_directions_are_rows_of_their_own(merge: str, runner_settings: Any) -> None:
    case = _bidirectional(merge)
    measured, _ = compare(case)
    model = stirred(case.build())
    weights = {w.path: np.asarray(w.numpy(), np.float64) for w in model.weights}
    y, x = drawn(model, case.x), case.x.astype(np.float64)

    def loss(name: str, offset: Any) -> Any:
        trace = complex_step.Trace({name: offset})
        return complex_step.mean_squared_error(case.network(trace, weights, x), y)

    for name in ("forward", "backward"):
        delta = complex_step.slope(loss, f"{name} in time", (BATCH, TIMES, UNITS)) * BATCH
        assert measured.times[f"{name}_loop"] == pytest.approx(np.mean(delta**2, (0, 2)), rel=1e-5)


def test_time_distributed_is_measured_at_what_it_gives(runner_settings: Any) -> None:
    def network(t: Any, w: Any, x: Any) -> Any:
        h = complex_step.relu(x @ w["spread/inner/kernel"] + w["spread/inner/bias"])
        weights = {"kernels": ("spread/inner/kernel",), "bias": "spread/inner/bias"}
        return head(t, w, t.layer("spread", h, **weights))

    layer = lambda layers: layers.TimeDistributed(  # noqa: E731
        layers.Dense(3, activation="relu", name="inner"), name="spread"
    )
    case = Case(sequential(layer, shape=(3, 2)), network, inputs(3, 2), silent=("flat",))
    info = compare(case)[0].layer("spread")
    assert (info.activation, info.time_steps) == ("relu", None)
    assert info.unmeasured["derivative_gain"] is UnmeasuredReason.ACTIVATION_IN_LOOP


def _stacked(layers: Any) -> Any:
    return layers.RNN([layers.LSTMCell(2), layers.GRUCell(3)], name="loop")


def _custom(layers: Any) -> Any:
    import keras

    class Decay(keras.layers.Layer):
        state_size = 2

        def build(self, shape: Any) -> None:
            self.kernel = self.add_weight(shape=(shape[-1], 2), name="kernel")

        def call(self, x: Any, states: Any) -> Any:
            h = x @ self.kernel + 0.5 * states[0]
            return h, [h]

    return layers.RNN(Decay(), name="loop")


@pytest.mark.parametrize(
    ("layer", "why"),
    [(_stacked, UnmeasuredReason.STACKED_CELLS), (_custom, UnmeasuredReason.OTHER_CELL)],
)
def test_cells_that_cannot_be_followed_say_why(
    layer: Callable[[Any], Any], why: UnmeasuredReason, runner_settings: Any
) -> None:
    model = sequential(layer, shape=(TIMES, FEATURES))()
    x = inputs(TIMES, FEATURES)
    measured = step(model, x, drawn(model, x))
    assert measured.times == {}
    info = measured.layer("loop")
    assert info.measured
    assert info.unmeasured[PROFILE] is why
    assert measured.figures["loop"]["delta_second_moment"] > 0


def test_a_convolutional_recurrence_says_why_too(runner_settings: Any) -> None:
    layer = lambda layers: layers.ConvLSTM1D(2, 2, name="loop")  # noqa: E731
    model = sequential(layer, shape=(2, 4, 2))()
    x = inputs(2, 4, 2)
    measured = step(model, x, drawn(model, x))
    assert measured.layer("loop").unmeasured[PROFILE] is UnmeasuredReason.OTHER_CELL


def test_what_only_the_last_state_feeds_is_measured_there(runner_settings: Any) -> None:
    """The sequence is an output the loss does not use: the state h it does use stands for it."""
    import keras

    given = keras.Input((TIMES, FEATURES))
    _, h, _ = keras.layers.LSTM(UNITS, return_sequences=True, return_state=True, name="loop")(given)
    model = stirred(keras.Model(given, keras.layers.Dense(1, name="head")(h)))
    x = inputs(TIMES, FEATURES)
    weights = {w.path: np.asarray(w.numpy(), np.float64) for w in model.weights}
    figures = step(model, x, drawn(model, x)).figures["loop"]
    last = maths.unrolled("lstm", cell(weights, "loop/lstm_cell"), x.astype(np.float64))[:, -1]
    assert figures["preactivation_second_moment"] == pytest.approx(np.mean(last**2), rel=1e-5)
    assert figures["underflow_fraction"] == 0


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_dropout_in_a_loop_keeps_its_masks(kind: str, runner_settings: Any) -> None:
    """The longer input is hidden from them: the measured loss is that of a plain pass."""
    options = {"dropout": 0.4, "recurrent_dropout": 0.3 if kind == "LSTM" else 0.0, "seed": 5}
    layer = lambda layers: getattr(layers, kind)(3, name="loop", **options)  # noqa: E731
    x = inputs(TIMES, FEATURES)
    model, twin = (stirred(sequential(layer, shape=(TIMES, FEATURES))()) for _ in range(2))
    y, _ = drawn(model, x), drawn(twin, x)  # Keras draws masks when it does not train, too
    measured = step(model, x, y)
    outputs = np.asarray(twin(x, training=True))
    assert measured.loss == pytest.approx(np.mean((outputs - y) ** 2), rel=1e-6)
    assert (np.asarray(twin(x, training=False)) != outputs).any()
    assert len(measured.times["loop"]) == TIMES


def test_a_loop_that_cudnn_would_compute_says_so(
    runner_settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras
    import tensorflow as tf

    from gradscope.runner.survey import recurrent

    fused, opened = keras.layers.LSTM(2), keras.layers.LSTM(2, use_cudnn=False)
    plain = keras.layers.SimpleRNN(2)
    assert [recurrent.reason_not_measured(layer) for layer in (fused, opened, plain)] == [None] * 3
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: [kind])
    assert recurrent.reason_not_measured(fused) is UnmeasuredReason.CUDNN_LOOP
    assert [recurrent.reason_not_measured(layer) for layer in (opened, plain)] == [None] * 2
