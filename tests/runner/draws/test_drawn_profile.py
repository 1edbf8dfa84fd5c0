"""The band of a profile over depth is of the same figure as the line that is measured."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.curves.depth_profile import depth_profile, rate_per_layer, relative_delta
from gradscope.analyzer.theory import expectation
from gradscope.analyzer.theory.drawn_profile import depth_limits
from gradscope.analyzer.theory.graph_causes import expected_profile
from gradscope.record import Diagnosis, DiagnosisState, RunRecord
from gradscope.reporters.figures import run_figures
from gradscope.reporters.report import Report
from gradscope.reporters.run.answer.flow_text import flow_reason
from tests.runner.draws.starts import Starts, images

pytestmark = pytest.mark.tensorflow


def _pooled(norm: bool = False) -> Any:
    """Convolutions at 64, 16 and 4 places, and a Dense layer at one."""
    import keras
    from keras import layers

    x = start = keras.Input((8, 8, 3))
    for _ in range(3):
        x = layers.Conv2D(16, 3, activation="relu", kernel_initializer="he_normal", padding="same")(
            x
        )
        x = layers.AveragePooling2D(2)(layers.LayerNormalization()(x) if norm else x)
    x = layers.Dense(16, "relu", kernel_initializer="he_normal")(layers.Flatten()(x))
    return keras.Model(start, layers.Dense(3, "softmax")(x))


@pytest.fixture(scope="module")
def pooled(tensorflow_once: Any) -> Starts:
    """The network without norms."""
    return Starts(_pooled, images())


def _report(record: RunRecord) -> Report:
    prediction = expectation.expected_at_start(record)
    diagnosis = Diagnosis(DiagnosisState.HEALTHY, "")
    return replace(Report.from_diagnosis(record, diagnosis, 0), prediction=prediction)


def test_the_profiles_at_the_start_lie_in_their_bands(pooled: Starts) -> None:
    """Delta at 64 places is an 8th per place, so that a band per place would miss the line."""
    limits, profile = depth_limits(pooled.as_made), depth_profile(pooled.as_made)
    for quantity, values in (("signal", profile.signal), ("delta", profile.gradient_relative)):
        drawn = limits[quantity]
        known = drawn.low < drawn.high
        assert known.sum() >= 3
        assert (drawn.low[known] <= values[0, known]).all()
        assert (values[0, known] <= drawn.high[known]).all()
    raw = pooled.as_made.draws
    assert raw is not None
    per_place = np.sqrt(raw.figures["delta_second_moment"][0, list(profile.indices)])
    assert per_place[0] / per_place[-1] < limits["delta"].low[0]


def test_the_rate_of_the_draws_is_that_of_the_measured_figure(pooled: Starts) -> None:
    report = _report(pooled.as_made)
    rate = rate_per_layer(expected_profile(pooled.as_made, "delta")) ** -1
    measured = rate_per_layer(depth_profile(pooled.as_made).gradient_relative[0]) ** -1
    assert rate == pytest.approx(measured, rel=0.3)
    assert flow_reason(report) == f"relu with he_normal; the draws expect x{rate:.2g}"


def test_the_figures_show_the_band_of_what_they_draw(pooled: Starts) -> None:
    record = pooled.as_made
    layers = [layer.index for layer in record.layers if layer.weighted]
    drawn = run_figures._drawn(record, layers, "gradient")
    own = relative_delta(record)[0, layers]
    known = drawn.low < drawn.high
    assert known.tolist() == [True, True, True, False, False]
    assert drawn.low[3] == drawn.high[3] == 1.0  # the reference
    assert np.isnan(drawn.centre[4])  # the logits
    assert ((drawn.low <= own) & (own <= drawn.high))[known].all()


def test_a_network_with_norms_has_a_band_of_delta_times_z(tensorflow_once: Any) -> None:
    record = Starts(lambda: _pooled(norm=True), images(), draws=16).as_made
    profile = depth_profile(record)
    assert profile.scale_free
    drawn = depth_limits(record)["delta"]
    known = drawn.low < drawn.high
    assert known.sum() >= 2
    values = profile.gradient_relative[0]
    assert ((drawn.low <= values) & (values <= drawn.high))[known].all()
