"""Draws of the initial weights inside a `fit`: they change no bit, and give its start a band."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record.initial_draws import WeightDraw
from gradscope.theory.prediction import Source
from tests.integrations.training import BATCH, MODELS, assert_same, bits, compiled, data

pytestmark = pytest.mark.tensorflow


def _fitted(model: Any, *given: Any, draws: int | None, **options: Any) -> tuple[list[Any], Any]:
    from gradscope import GradientFlow

    flow = None if draws is None else GradientFlow(3, draws=draws)
    fit = {"batch_size": BATCH, "epochs": 2, "verbose": 0} | options
    history = model.fit(*given, callbacks=[] if flow is None else [flow], **fit)
    return bits(model, history), flow


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == "mlp" else pytest.mark.long("20 s each"))
        for name in MODELS
    ],
)
def test_a_fit_with_draws_trains_the_same_bits(name: str, tensorflow_once: Any) -> None:
    """Also of a model that its first batch builds, with dropout, batch norm and Adam."""
    plain, _ = _fitted(compiled(MODELS[name]), *data(MODELS[name]), draws=None)
    drawn, flow = _fitted(compiled(MODELS[name]), *data(MODELS[name]), draws=3)
    assert_same(plain, drawn)
    record = flow.record
    assert not record.faults
    assert record.draws is not None and record.draws.count == 3
    for weight in record.draws.weights:
        if weight.path.endswith("kernel"):
            assert weight.draw in (WeightDraw.AS_MADE, WeightDraw.OTHER_VALUES), weight


@pytest.mark.long("5 s")
def test_a_fit_run_eagerly_with_draws_trains_the_same_bits(tensorflow_once: Any) -> None:
    results = [
        _fitted(compiled(MODELS["cnn"], run_eagerly=True), *data(MODELS["cnn"]), draws=draws)[0]
        for draws in (None, 2)
    ]
    assert_same(*results)


def test_the_start_of_a_fit_has_the_band_of_its_draws(tensorflow_once: Any) -> None:
    _, flow = _fitted(compiled(MODELS["transformer"]), *data(MODELS["transformer"]), draws=12)
    report = flow.report
    prediction = report.prediction
    assert prediction is not None and prediction.source is Source.DRAWS
    band = prediction.preactivation_band
    assert band is not None and band.draws == 12 and np.isfinite(band.centre).all()
    measured = flow.record.series["preactivation_second_moment"][0]
    own = flow.record.draws.figures["preactivation_second_moment"][0]
    both = np.isfinite(measured) & (own > 0)
    assert both.sum() >= 6
    np.testing.assert_allclose(own[both], measured[both], rtol=0.2)  # other dropout masks


def test_a_model_that_was_trained_before_is_not_drawn(tensorflow_once: Any) -> None:
    model = compiled(MODELS["mlp"])
    model.fit(*data(MODELS["mlp"]), batch_size=BATCH, verbose=0)
    _, flow = _fitted(model, *data(MODELS["mlp"]), draws=3)
    assert flow.record.draws is None


@pytest.mark.parametrize("draws", [-1, 1, 2.0, True])
def test_a_wrong_number_of_draws_is_refused(draws: Any, tensorflow_once: Any) -> None:
    from gradscope import GradientFlow
    from gradscope.errors import BadRequest

    with pytest.raises(BadRequest, match="expected a whole number, 0 or at least 2"):
        GradientFlow(draws=draws)
