"""Weights that are drawn again: draw 0 is the model, training is as before, figures are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradscope
from benchmarks.expectation.drawn_graph import BATCH
from gradscope import api
from gradscope.analyzer.theory import own_weights
from gradscope.analyzer.theory.graph_causes import design_causes, entries_of
from gradscope.record import RunRecord
from gradscope.record.initial_draws import WeightDraw
from gradscope.theory.ledger_causes import LedgerKind
from gradscope.theory.local_rule import local_logs
from tests.each_case import each_case
from tests.long_cases import long_cases
from tests.runner.draws.starts import Starts, vectors

pytestmark = pytest.mark.tensorflow

OWN = Path(__file__).parents[3] / "configs" / "own"


def _chain(depth: int = 6, width: int = 24, **options: Any) -> Any:
    import keras

    hidden = [keras.layers.Dense(width, "relu", **options) for _ in range(depth)]
    return keras.Sequential([keras.Input((12,)), *hidden, keras.layers.Dense(3, "softmax")])


@pytest.mark.parametrize("name", long_cases(["cnn", "subclassed"], ["cnn"], "7 s"))
def test_draw_0_is_the_model_and_training_has_the_same_bytes(
    name: str, tensorflow_once: Any
) -> None:
    def ran(draws: int) -> RunRecord:
        overrides = ["training.steps=3", "training.probe_samples=64", f"training.draws={draws}"]
        return api.run(api.load_config(OWN / f"{name}.yaml", overrides))

    without, drawn = ran(0), ran(8)
    assert without.draws is None
    assert drawn.draws is not None and drawn.draws.count == 8 and not drawn.faults
    kinds = {weight.draw for weight in drawn.draws.weights}
    assert kinds == {WeightDraw.AS_MADE, WeightDraw.CONSTANT}
    for weight in drawn.draws.weights:
        matrix = weight.path.endswith("kernel")
        assert not matrix or weight.draw is WeightDraw.AS_MADE, weight
    for quantity, figures in without.series.items():
        assert figures.tobytes() == drawn.series[quantity].tobytes(), quantity
    assert without.scalars["loss"].tobytes() == drawn.scalars["loss"].tobytes()
    assert without.evaluation == drawn.evaluation


@pytest.fixture(scope="module")
def chain(tensorflow_once: Any) -> Starts:
    """Six Dense layers of ReLU."""
    return Starts(_chain, vectors(), draws=16)


def test_the_model_itself_is_the_first_row(tensorflow_once: Any) -> None:
    """Row 0 of the draws are the figures of step 0, which the run measures by itself."""
    model = _chain()
    model.compile("sgd", "sparse_categorical_crossentropy")
    training = {"steps": 1, "batch_size": 16, "draws": 8}
    record = gradscope.run({"training": training}, model=model, data=vectors())
    assert record.draws is not None
    for name in ("preactivation_second_moment", "delta_second_moment"):
        np.testing.assert_allclose(record.draws.figures[name][0], record.series[name][0], rtol=1e-4)


def test_the_rule_of_a_linear_layer_is_that_of_numpy(tensorflow_once: Any) -> None:
    """E z^2 of a convolution with stride and padding, by loops in float64."""
    import keras

    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(BATCH, 7, 7, 2)).astype("f4"), rng.integers(0, 3, BATCH)
    conv = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False, name="conv")
    end = keras.layers.Dense(3, activation="softmax", name="end")
    model = keras.Sequential([keras.Input((7, 7, 2)), conv, keras.layers.Flatten(), end])
    kernel = np.asarray(conv.kernel, np.float64)
    record = Starts(lambda: model, (x, y), draws=8).as_made
    assert record.draws is not None
    padded = np.pad(x.astype(np.float64), ((0, 0), (1, 1), (1, 1), (0, 0)))
    fields = np.array(
        [[padded[:, i : i + 3, j : j + 3] for j in (0, 2, 4, 6)] for i in (0, 2, 4, 6)]
    ).reshape(-1, 18)
    figures = record.draws.figures
    assert record.layers[record.draws.maps[0].layer].name == "conv"
    z = fields @ kernel.reshape(18, 5)
    assert figures["output"][0, 0] == pytest.approx((z**2).mean(), rel=1e-4)
    assert figures["response"][0, 0] == pytest.approx((fields**2).sum(1).mean(), rel=1e-4)
    delta = figures["delta_response"][0, 1] / figures["input_delta"][0, 1]
    assert np.isfinite(delta)


@each_case(
    ("activation", "initializer", "depth", "width"),
    [
        ("relu", "he_normal", 6, 48),
        ("selu", "lecun_normal", 5, 48),
        ("linear", "lecun_normal", 5, 48),
    ],
)
def test_draws_and_the_closed_form_agree(
    activation: str, initializer: str, depth: int, width: int, tensorflow_once: Any
) -> None:
    """Centres within four standard errors of 128 draws and 0.02, deviations within a third."""
    model = {"depth": depth, "width": width, "initializer": initializer, "activation": activation}
    data = {"name": "gaussian", "samples": 640, "features": 32, "classes": 4}
    config = {"model": model, "data": data}
    closed, drawn = gradscope.predict(config), gradscope.predict(config, draws=128)
    for name in ("preactivation_band", "delta_band"):
        theory, draws = getattr(closed.prediction, name), getattr(drawn.prediction, name)
        known = np.isfinite(theory.centre) & np.isfinite(draws.centre) & (theory.deviation > 1e-3)
        assert known.sum() >= depth - 1
        error = draws.deviation[known] / 128**0.5
        difference = draws.centre[known] - theory.centre[known]
        assert (np.abs(difference) < 4 * error + 0.02).all(), (name, difference / error)
        ratio = draws.deviation[known] / theory.deviation[known]
        assert (ratio > 0.75).all() and (ratio < 1.33).all(), (name, ratio)


def test_a_kernel_of_twice_its_size_is_named(chain: Starts) -> None:
    def doubled(model: Any) -> None:
        model.layers[3].kernel.assign(2.0 * model.layers[3].kernel)

    assert own_weights.off_layers(chain.as_made) == ()
    off = own_weights.off_layers(chain.another(doubled))
    assert {ratio.name for ratio in off} == {chain.graph.model.layers[3].name}
    assert off[0].factor == pytest.approx(2.0, rel=0.15)


def test_a_kernel_aligned_with_its_input_is_named(chain: Starts) -> None:
    """Its size is as drawn; what it gives is not."""

    def aligned(model: Any) -> None:
        """All weights of a unit have one sign: what a ReLU gives has a mean."""
        kernel = np.array(model.layers[2].kernel)
        model.layers[2].kernel.assign(np.sign(kernel.sum(0)) * np.abs(kernel))

    off = own_weights.off_layers(chain.another(aligned))
    assert off and off[0].name == chain.graph.model.layers[2].name
    assert off[0].witness is own_weights.Witness.FORWARD


def test_one_initializer_object_of_many_layers_is_named(chain: Starts) -> None:
    import keras

    assert chain.as_made.draws is not None
    assert own_weights.tied_weights(chain.as_made.draws) == ()

    def build() -> Any:
        return _chain(kernel_initializer=keras.initializers.HeNormal(seed=3))

    tied = Starts(build, vectors(), draws=8).as_made
    assert tied.draws is not None
    [group] = own_weights.tied_weights(tied.draws)
    assert len(group) == 5, group


def _residual(blocks: int, *, norm: bool) -> Any:
    import keras
    from keras import layers

    start = keras.Input((12,))
    x = layers.Dense(16, name="stem")(start)
    for block in range(blocks):
        y = layers.LayerNormalization()(x) if norm else x
        y = layers.Dense(16, "relu", kernel_initializer="he_normal", name=f"up_{block}")(y)
        y = layers.Dense(16, kernel_initializer="lecun_normal", name=f"down_{block}")(y)
        x = layers.Add(name=f"sum_{block}")([x, y])
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))


def test_the_ledger_multiplies_to_the_profile_and_names_the_blocks(tensorflow_once: Any) -> None:
    """Of He and LeCun each branch gives the rms that it is fed: each block adds 100 %."""
    record = Starts(lambda: _residual(8, norm=False), vectors()).as_made
    entries, draws = entries_of(record), record.draws
    assert entries is not None and draws is not None
    moments = np.exp(np.log(draws.figures["tensor_second_moment"][1:]).mean(0))
    for at, row in enumerate(entries.rows):
        if row.name.startswith("sum_"):
            fed = entries.path(at)[0].fed
            assert entries.product(at) == pytest.approx(row.given / fed, rel=1e-6)
            call = next(c for c in draws.calls if c.layer == row.layer)
            assert row.given == pytest.approx(moments[call.output], rel=1e-6)
    [cause] = [one for one in design_causes(record) if one.kind is LedgerKind.BLOCKS]
    assert cause.count == 8
    assert cause.share == pytest.approx(1.0, abs=0.35)
    assert cause.each == pytest.approx(2**0.5, rel=0.12)
    normed = Starts(lambda: _residual(8, norm=True), vectors(), draws=8).as_made
    assert LedgerKind.BLOCKS not in {one.kind for one in design_causes(normed)}


def test_a_model_given_to_predict_is_left_as_it_was(tensorflow_once: Any) -> None:
    model = _chain()
    model.compile("adam", "sparse_categorical_crossentropy")
    before = [np.array(weight) for weight in model.get_weights()]
    forecast = gradscope.predict(model=model, data=vectors(), draws=8)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert old.tobytes() == new.tobytes()
    band = forecast.prediction.preactivation_band
    assert band is not None and band.draws == 8
    assert np.isfinite(band.centre).all()


def test_weights_with_a_mean_have_the_rule_of_their_mean_and_variance(tensorflow_once: Any) -> None:
    """Without the mean, units that add up inputs of one sign give 12 times the rule."""
    import keras
    from keras import layers

    def build() -> Any:
        law = keras.initializers.RandomUniform(0.0, 0.2)
        start = keras.Input((24,))
        x = layers.Dense(24, "sigmoid", name="first")(start)
        x = layers.Dense(24, "relu", kernel_initializer=law, name="positive")(x)
        return keras.Model(start, layers.Dense(3, "softmax")(x))

    record = Starts(build, vectors(24), draws=16).as_made
    assert record.draws is not None
    by_name = {record.layers[item.layer].name: at for at, item in enumerate(record.draws.maps)}
    shifted = record.draws.figures["mean_response"]
    assert np.isfinite(shifted[:, by_name["positive"]]).all()
    logs = local_logs(record.draws, by_name["positive"])
    assert abs(logs.mean()) < 0.1 and own_weights.off_layers(record) == ()
    measured, response = (record.draws.figures[name] for name in ("output", "response"))
    square = record.draws.figures["weight_second_moment"]
    at = record.draws.maps[by_name["positive"]].weights[0]
    naive = measured[:, by_name["positive"]] / (response[:, by_name["positive"]] * square[:, at])
    assert naive.mean() > 8.0
