"""Looks at the probe set in pieces, against one pass over all of it in float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow

SAMPLES, BATCH = 21, 8
"""Three pieces, the last with five samples that count."""


def _data() -> tuple[Any, Any]:
    random = np.random.default_rng(1)
    x = random.normal(size=(SAMPLES, 6)).astype(np.float32)
    return x, random.normal(size=(SAMPLES, 2)).astype(np.float32)


def _experiment(model: Any, x: Any, y: Any, **training: Any) -> Any:
    """An experiment whose probe set are all samples of (x, y)."""
    from gradscope import api
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    keys = {"steps": 3, "batch_size": BATCH, "probe_samples": SAMPLES} | training
    config = api.load_config({"model": {"factory": "given:model"}, "training": keys})
    return Experiment(config, workload.from_model(config, model, (x, y)))


class _Looks:
    """Keeps what a look sends."""

    def __init__(self) -> None:
        self.dead: list[Any] = []
        self.histograms: dict[str, Any] = {}

    def probe(self, step: int, dead_fraction: Any) -> None:
        self.dead.append(dead_fraction)

    def histogram(self, name: str, snapshot: Any) -> None:
        self.histograms[name] = snapshot


def _look(experiment: Any) -> _Looks:
    looks = _Looks()
    experiment.look(1, True, looks)
    return looks


def _two_layers(activation: str = "relu") -> Any:
    import keras

    keras.utils.set_random_seed(3)
    hidden = keras.layers.Dense(40, activation=activation, name="hidden")
    model = keras.Sequential([keras.Input((6,)), hidden, keras.layers.Dense(2, name="end")])
    hidden.bias.assign(np.linspace(-9, 1, 40))
    model.compile("sgd", "mean_squared_error")
    return model


def _oracle(model: Any, x: Any, y: Any) -> dict[str, Any]:
    """z and delta of both layers, of all samples in one pass in float64."""
    w1, b1, w2, b2 = (np.asarray(w, np.float64) for w in model.get_weights())
    z1 = x.astype(np.float64) @ w1 + b1
    z2 = np.maximum(z1, 0) @ w2 + b2
    delta2 = 2 * (z2 - y) / y.shape[1]
    return {"z": [z1, z2], "delta": [(delta2 @ w2.T) * (z1 > 0), delta2]}


def _away_from_edges(values: Any, edges: Any) -> bool:
    """Whether no value is so near an edge that float32 could move it over: 1e-5 of its size."""
    finite = values[np.isfinite(values)]
    return bool(np.min(np.abs(finite[:, None] - edges) / (1e-5 + np.abs(finite[:, None]))) > 1e-5)


def test_pieces_count_what_one_pass_in_float64_counts(runner_settings: Any) -> None:
    x, y = _data()
    model = _two_layers()
    looks = _look(_experiment(model, x, y))
    expected = _oracle(model, x, y)
    assert 0 < np.mean(np.all(expected["z"][0] <= 0, axis=0)) < 1
    assert looks.dead[0][0] == np.mean(np.all(expected["z"][0] <= 0, axis=0))
    counted = looks.histograms["preactivation"]
    with np.errstate(divide="ignore"):
        logs = [np.log10(np.abs(delta)) for delta in expected["delta"]]
    for name, values in (("preactivation", expected["z"]), ("log10_abs_delta", logs)):
        counted = looks.histograms[name]
        for layer, array in enumerate(values):
            assert _away_from_edges(array, counted.edges), "choose another seed"
            inside = np.histogram(array[np.isfinite(array)], counted.edges)[0]
            np.testing.assert_array_equal(counted.counts[0, layer], inside)
            assert counted.outside[0, layer] == array.size - inside.sum()


def test_the_size_of_the_pieces_changes_no_count(runner_settings: Any) -> None:
    x, y = _data()
    model = _two_layers("gelu")
    whole = _look(_experiment(model, x, y, batch_size=SAMPLES))
    for batch_size in (1, 4, BATCH):
        pieces = _look(_experiment(model, x, y, batch_size=batch_size))
        np.testing.assert_array_equal(pieces.dead, whole.dead)
        for name, counted in pieces.histograms.items():
            np.testing.assert_array_equal(counted.counts, whole.histograms[name].counts)
            np.testing.assert_array_equal(counted.outside, whole.histograms[name].outside)


def test_a_look_traces_once_whatever_the_number_of_pieces(runner_settings: Any) -> None:
    x, y = _data()
    experiment = _experiment(_two_layers(), x, y)
    _look(experiment), _look(experiment)
    backward = experiment.probe._passes[True]
    assert backward.traces() == 1


def test_values_on_the_edges_and_numbers_that_are_none(runner_settings: Any) -> None:
    """A bin includes its lower edge and the last one its upper edge, as in numpy."""
    import tensorflow as tf

    from gradscope.runner.step import pass_counts

    for edges in (pass_counts.PREACTIVATION_EDGES, 10.0**pass_counts.LOG_DELTA_EDGES):
        near = np.concatenate([edges, np.nextafter(edges, -np.inf), np.nextafter(edges, np.inf)])
        normal = near[np.abs(near) >= np.finfo(np.float64).tiny]  # the others count as zero
        values = np.concatenate([normal, [0.0, 1e300, -1e300]])
        counted = pass_counts._bin_counts(tf.constant(np.append(values, [np.nan, np.inf])), edges)
        inside = np.histogram(values, edges)[0]
        np.testing.assert_array_equal(counted[1:-1], inside)
        assert int(tf.reduce_sum(counted)) == values.size + 2


def test_a_unit_that_one_late_sample_activates_is_alive(runner_settings: Any) -> None:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small({"activation": "relu", "hidden": [8, 5]}, {"probe_samples": 150})
    experiment = Experiment(config, workload.from_config(config))
    x = np.asarray(experiment.feed.probe(150)[0], np.float64)
    late = 100 + int(np.argmax(np.sum(x[100:] ** 2, axis=1)))
    kernel, bias = np.zeros((x.shape[1], 8)), np.full(8, -1.0)
    kernel[:, 3] = x[late]
    products = x @ x[late]
    others = np.delete(products, late).max()
    assert products[late] > others + 1.0
    bias[3] = -(products[late] + others) / 2
    layer = experiment.model.get_layer("hidden_1")
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    looks = _Looks()
    experiment.look(1, False, looks)
    row = next(site.index for site in experiment.sites.layers if site.name == "hidden_1")
    assert looks.dead[0][row] == 7 / 8


def test_samples_that_fill_up_the_last_piece_do_not_count(runner_settings: Any) -> None:
    """One probe sample of a batch of eight: its copies or others must not be counted."""
    x, y = _data()
    model = _two_layers()
    experiment = _experiment(model, x, y, probe_samples=1)
    counted = _look(experiment).histograms["preactivation"]
    assert counted.counts[0].sum(1).tolist() == [40, 2]


def test_a_saturated_unit_lives_where_its_derivative_is_zero_in_float32_only(
    runner_settings: Any,
) -> None:
    """phi'(60) of the hyperbolic tangent is 4 exp(-120), below float32; at 800 it is zero."""
    x, y = _data()
    model = _two_layers("tanh")
    hidden = model.get_layer("hidden")
    hidden.kernel.assign(np.zeros((6, 40)))
    hidden.bias.assign(np.where(np.arange(40) < 10, 60.0, 800.0))
    assert _look(_experiment(model, x, y)).dead[0][0] == 30 / 40


def test_a_stateful_network_of_one_batch_size_is_measured(runner_settings: Any) -> None:
    import keras

    import gradscope

    random = np.random.default_rng(0)
    x = random.normal(size=(64, 6, 5)).astype(np.float32)
    y = (x[:, 0, 0] > 0).astype(int)
    given = keras.Input(batch_shape=(8, 6, 5))
    state = keras.layers.LSTM(4, stateful=True)(given)
    model = keras.Model(given, keras.layers.Dense(2, activation="softmax")(state))
    model.compile("adam", "sparse_categorical_crossentropy")
    training = {"steps": 4, "batch_size": 8, "probe_samples": 20}
    record = gradscope.run({"training": training}, model=model, data=((x, y), (x[:20], y[:20])))
    assert record.probe_samples == 20
    # The final state of the LSTM and the output: 4 and 2 units for each of 20 samples.
    assert record.histograms["preactivation"].counts[0].sum(1).tolist() == [80, 40]
    assert set(record.evaluation) == {"test_loss", "test_accuracy"}


def test_rows_for_each_window_of_a_sample_are_cut_with_the_sample(runner_settings: Any) -> None:
    """A layer with four rows for each sample, as attention in windows has them."""
    import keras

    x = np.random.default_rng(5).normal(size=(SAMPLES, 4, 6)).astype(np.float32)
    y = _data()[1]
    given = keras.Input((4, 6))
    rows = keras.layers.Lambda(lambda t: keras.ops.reshape(t, (-1, 6)))(given)
    hidden = keras.layers.Dense(5, activation="relu", name="rows")(rows)
    back = keras.layers.Lambda(lambda t: keras.ops.reshape(t, (-1, 20)))(hidden)
    model = keras.Model(given, keras.layers.Dense(2)(back))
    model.compile("sgd", "mean_squared_error")
    experiment = _experiment(model, x, y)
    row = next(layer.index for layer in experiment.sites.layers if layer.name == "rows")
    counted = _look(experiment).histograms["preactivation"]
    assert counted.counts[0, row].sum() == SAMPLES * 4 * 5
