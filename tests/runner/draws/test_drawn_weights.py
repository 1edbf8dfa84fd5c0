"""Weights that are drawn again: draw 0 is the model, training is as before, figures are exact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope import api
from gradscope.analyzer.theory import own_weights
from gradscope.analyzer.theory.graph_causes import design_causes, entries_of
from gradscope.record import RunRecord
from gradscope.record.initial_draws import WeightDraw
from gradscope.theory.ledger_causes import LedgerKind

pytestmark = pytest.mark.tensorflow

OWN = Path(__file__).parents[3] / "configs" / "own"
DRAWS = {"steps": 1, "batch_size": 16, "draws": 16}


def _data(features: int = 12, samples: int = 64) -> tuple[Any, Any]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(samples, features)).astype("float32"), rng.integers(0, 3, samples)


def _measured(model: Any, data: Any = None, **training: Any) -> RunRecord:
    if not model.compiled:
        model.compile("sgd", "sparse_categorical_crossentropy")
    config = {"training": DRAWS | training}
    return gradscope.run(config, model=model, data=data or _data())


def _chain(depth: int = 6, width: int = 24, **options: Any) -> Any:
    import keras

    hidden = [keras.layers.Dense(width, "relu", **options) for _ in range(depth)]
    return keras.Sequential([keras.Input((12,)), *hidden, keras.layers.Dense(3, "softmax")])


@pytest.mark.parametrize("name", ["cnn", "lstm", "transformer"])
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


def test_the_model_itself_is_the_first_row(tensorflow_once: Any) -> None:
    """Row 0 of the draws are the figures of step 0, which the run measures by itself."""
    record = _measured(_chain())
    assert record.draws is not None
    for name in ("preactivation_second_moment", "delta_second_moment"):
        np.testing.assert_allclose(record.draws.figures[name][0], record.series[name][0], rtol=1e-4)


def test_the_rule_of_a_linear_layer_is_that_of_numpy(tensorflow_once: Any) -> None:
    """E z^2 of a convolution with stride and padding, by loops in float64."""
    import keras

    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(16, 7, 7, 2)).astype("f4"), rng.integers(0, 3, 16)
    conv = keras.layers.Conv2D(5, 3, strides=2, padding="same", use_bias=False, name="conv")
    end = keras.layers.Dense(3, activation="softmax", name="end")
    model = keras.Sequential([keras.Input((7, 7, 2)), conv, keras.layers.Flatten(), end])
    kernel = np.asarray(conv.kernel, np.float64)
    record = _measured(model, (x, y), draws=8)
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


def test_draws_and_the_closed_form_agree(tensorflow_once: Any) -> None:
    """Centres within four standard errors of 64 draws, deviations within a third."""
    config = {
        "model": {"depth": 12, "width": 64, "initializer": "he_normal", "activation": "relu"},
        "data": {"name": "gaussian", "samples": 640, "features": 32, "classes": 4},
    }
    closed, drawn = gradscope.predict(config), gradscope.predict(config, draws=64)
    for name in ("preactivation_band", "delta_band"):
        theory, draws = getattr(closed.prediction, name), getattr(drawn.prediction, name)
        known = np.isfinite(theory.centre) & np.isfinite(draws.centre) & (theory.deviation > 1e-3)
        assert known.sum() >= 11
        error = draws.deviation[known] / 8
        difference = draws.centre[known] - theory.centre[known]
        assert (np.abs(difference) < 4 * error + 0.01).all(), (name, difference / error)
        ratio = draws.deviation[known] / theory.deviation[known]
        assert (ratio > 0.67).all() and (ratio < 1.5).all(), (name, ratio)


def test_a_kernel_of_twice_its_size_is_named(tensorflow_once: Any) -> None:
    as_made = _measured(_chain())
    assert own_weights.off_layers(as_made) == ()
    model = _chain()
    model.layers[3].kernel.assign(2.0 * model.layers[3].kernel)
    off = own_weights.off_layers(_measured(model))
    assert {ratio.name for ratio in off} == {model.layers[3].name}
    assert off[0].factor == pytest.approx(2.0, rel=0.15)


def test_a_kernel_aligned_with_its_input_is_named(tensorflow_once: Any) -> None:
    """Its size is as drawn; what it gives is not."""
    model, (x, y) = _chain(), _data()
    x = x + np.float32(2.0)
    kernel = np.array(model.layers[0].kernel)
    size = np.sqrt((kernel**2).mean())
    kernel = np.sign(kernel.sum(0)) * np.abs(kernel)
    model.layers[0].kernel.assign(kernel * size / np.sqrt((kernel**2).mean()))
    off = own_weights.off_layers(_measured(model, (x, y)))
    assert off and off[0].name == model.layers[0].name
    assert {ratio.witness for ratio in off} >= {own_weights.Witness.FORWARD}


def test_one_initializer_object_of_many_layers_is_named(tensorflow_once: Any) -> None:
    import keras

    apart = _measured(_chain(kernel_initializer="he_normal"))
    assert apart.draws is not None and own_weights.tied_weights(apart.draws) == ()
    once = keras.initializers.HeNormal(seed=3)

    def build() -> Any:
        return _chain(kernel_initializer=once)

    tied = _measured(build())
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
    record = _measured(_residual(8, norm=False), draws=24)
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
    normed = _measured(_residual(8, norm=True), draws=8)
    assert LedgerKind.BLOCKS not in {one.kind for one in design_causes(normed)}


def test_a_model_given_to_predict_is_left_as_it_was(tensorflow_once: Any) -> None:
    model = _chain()
    model.compile("adam", "sparse_categorical_crossentropy")
    before = [np.array(weight) for weight in model.get_weights()]
    forecast = gradscope.predict(model=model, data=_data(), draws=8)
    for old, new in zip(before, model.get_weights(), strict=True):
        assert old.tobytes() == new.tobytes()
    band = forecast.prediction.preactivation_band
    assert band is not None and band.draws == 8
    assert np.isfinite(band.centre).all()
