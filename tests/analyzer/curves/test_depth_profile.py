"""Profiles over depth and rates per layer against closed forms."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gradscope.analyzer.curves.depth_profile import (
    delta_reference,
    depth_profile,
    rate_per_layer,
    relative_delta,
)
from gradscope.analyzer.diagnose import diagnose
from gradscope.analyzer.message_parts import layer_names, rate_text
from gradscope.record import UnmeasuredReason
from gradscope.reporters.report import Report
from gradscope.reporters.run.result_json import result
from gradscope.reporters.run.tables.layer_table import layer_table
from tests.analyzer.synthetic import geometric, network, record
from tests.layers import layer_row


@given(
    rate=st.floats(1e-4, 1e4),
    first=st.floats(1e-9, 1e9),
    holes=st.lists(st.sampled_from(["", "", "nan", "zero", "inf"]), min_size=2, max_size=12),
)
@settings(max_examples=40, deadline=None, derandomize=True)
def test_rate_of_a_geometric_sequence_with_holes(
    rate: float, first: float, holes: list[str]
) -> None:
    filler = {"nan": math.nan, "zero": 0.0, "inf": math.inf}
    values = np.array([filler.get(hole, first * rate**i) for i, hole in enumerate(holes)])
    expected = rate if holes.count("") >= 2 else math.nan
    assert rate_per_layer(values) == pytest.approx(expected, rel=1e-9, nan_ok=True)


def test_rate_is_the_least_squares_slope_of_logarithms() -> None:
    logs = np.array([0.3, -0.2, 1.1, 0.7])
    depth = np.arange(4) - 1.5
    slope = (depth @ logs) / (depth @ depth)
    assert rate_per_layer(np.exp(logs)) == pytest.approx(math.exp(slope), rel=1e-12)


@pytest.mark.parametrize("values", [[], [1.0], [0.0, 0.0], [np.nan, 1.0], [-1.0, 2.0, -3.0]])
def test_no_rate_of_fewer_than_two_figures(values: list[float]) -> None:
    assert math.isnan(rate_per_layer(np.array(values)))


def test_profile_of_a_record() -> None:
    layers = network([30, 20, 10], input_norm=True)
    signal, delta = [2.0, 4.0, 8.0], [1e-3, 1e-2, 1e-1]
    profile = depth_profile(record(layers, steps=1, signal=signal, delta=delta))
    assert profile.names == ("hidden_1", "hidden_2", "hidden_3")
    assert profile.indices == (2, 3, 4)
    np.testing.assert_allclose(profile.signal, [signal] * 2, rtol=1e-15)
    np.testing.assert_allclose(profile.delta, [delta] * 2, rtol=1e-15)
    np.testing.assert_allclose(profile.signal_relative, [[1, 2, 4]] * 2, rtol=1e-15)
    np.testing.assert_allclose(profile.delta_relative, [[1e-2, 1e-1, 1]] * 2, rtol=1e-15)


def test_what_is_not_finite_or_has_no_reference_is_left_out() -> None:
    delta = [[1.0, 2.0, 4.0], [1.0, np.inf, 4.0], [1.0, 2.0, 0.0], [np.nan, 0.0, 4.0]]
    relative = depth_profile(record(3, steps=3, delta=delta)).delta_relative
    expected = [
        [0.25, 0.5, 1.0],
        [0.25, np.nan, 1.0],
        [np.nan] * 3,
        [np.nan, 0.0, 1.0],
    ]
    np.testing.assert_array_equal(relative, expected)


def test_a_layer_that_is_not_measured_is_no_part_of_it() -> None:
    layers = list(network([9, 9, 9]))
    layers[2] = replace(layers[2], measured=False, reason=UnmeasuredReason.UNKNOWN_SHAPE)
    profile = depth_profile(record(tuple(layers)))
    assert profile.names == ("hidden_1", "hidden_3")


@pytest.mark.parametrize("depth", [0, 1])
def test_profiles_of_shallow_networks(depth: int) -> None:
    profile = depth_profile(record(depth))
    assert profile.delta_relative.shape == (41, depth)


def test_geometric_builder() -> None:
    np.testing.assert_allclose(geometric(1e-4), [1, 1e-1, 1e-2, 1e-3, 1e-4], rtol=1e-12)


def test_wording() -> None:
    names = [f"hidden_{i}" for i in range(9)]
    assert layer_names(names[:1], [0]) == "hidden_0"
    assert layer_names(names[2:5], [2, 3, 4]) == "hidden_2 to hidden_4"
    assert layer_names([names[1], names[5]], [1, 5]) == "hidden_1 and hidden_5"
    assert (
        layer_names([names[1], names[3], names[5]], [1, 3, 5]) == "hidden_1, hidden_3 and hidden_5"
    )
    assert (
        layer_names(names[:6:2] + names[7:], [0, 2, 4, 7, 8])
        == "5 layers from hidden_0 to hidden_8"
    )
    assert rate_text(0.7071, " going back") == " (x0.71 per layer going back)"
    assert rate_text(math.nan) == ""


LAST_NORM = (
    *network([9, 9])[:-1],
    layer_row(3, "norm", "LayerNormalization", "normalization", units=9),
    replace(network([9, 9])[-1], index=4),
)
"""Two hidden layers and a normalization of the stream before the output."""


def test_every_reader_compares_delta_with_the_same_layer() -> None:
    made = record(LAST_NORM, steps=8, delta=[2.0, 8.0])
    made.series["delta_second_moment"][:, 3] = 16.0
    assert delta_reference(made) == 3
    relative = relative_delta(made)
    np.testing.assert_allclose(relative[:, 1:4], [[0.5, 2.0, 1.0]] * 9, rtol=1e-15)
    np.testing.assert_array_equal(depth_profile(made).delta_relative, relative[:, 1:4])
    report = Report.from_diagnosis(made, diagnose(made), 0)
    table = layer_table(report)
    rows = {row.name: row.gradient for row in table.rows}
    assert (rows["hidden_1"], rows["hidden_2"]) == pytest.approx((0.5, 2.0), rel=1e-12)
    assert "rms of delta = dL/dz over that of norm" in table.legend
    item = result(report)
    assert item["delta_reference"] == "norm"


def test_the_reference_of_a_plain_network_is_its_last_hidden_layer() -> None:
    made = record(3)
    assert delta_reference(made) == 3
    table = layer_table(Report.from_diagnosis(made, diagnose(made), 0))
    assert "over that of the last hidden layer" in table.legend


def test_the_reference_of_a_network_without_a_main_path() -> None:
    layers = tuple(replace(layer, main_path=False) for layer in network([9, 9]))
    assert delta_reference(record(layers)) == 2
    assert delta_reference(record(0)) == 1
    unmeasured = tuple(replace(layer, measured=False) for layer in network([9]))
    made = record(unmeasured)
    assert delta_reference(made) is None
    assert np.isnan(relative_delta(made)).all()
