"""A record as rows: every measured number once, nothing that was not measured."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.errors import BadRequest
from gradscope.record import InitialWeight, RunRecord, tidy
from gradscope.record.statistics import STATISTICS
from tests.analyzer.synthetic import record


def _rows(run: RunRecord, **chosen: object) -> list[tuple[int, str, str, float]]:
    return [row for block in tidy.blocks(run, **chosen) for row in block.rows()]  # type: ignore[arg-type]


def test_every_measured_number_is_a_row_once() -> None:
    run = record(3, delta=[0.1, 0.5, 1.0])
    rows = _rows(run)
    measured = sum(int((~np.isnan(values)).sum()) for values in run.series.values())
    measured += sum(int((~np.isnan(values)).sum()) for values in run.scalars.values())
    assert len(rows) == len({row[:3] for row in rows}) == measured
    names = [layer.name for layer in run.layers]
    for step, layer, statistic, value in rows:
        row = int(np.flatnonzero(run.steps == step)[0])
        stored = (
            run.scalars[statistic][row]
            if layer == tidy.NETWORK
            else run.series[statistic][row, names.index(layer)]
        )
        assert value == stored


def test_a_root_is_the_root_of_its_second_moment() -> None:
    run = record(3, delta=[0.1, 0.5, 1.0])
    last = int(run.steps[-1])
    [(_, _, _, root)] = _rows(run, statistics=["delta_rms"], layers=["hidden_2"], steps=[last])
    assert root == pytest.approx(np.sqrt(run.series["delta_second_moment"][-1, 2]), rel=1e-15)
    roots = {name for name in tidy.statistic_names(run) if name.endswith("_rms")}
    assert len(roots) == sum(name.endswith("_second_moment") for name in STATISTICS)


def test_blocks_of_a_long_record_are_short() -> None:
    run = record(1)
    steps = np.arange(2500)
    series = {name: np.ones((2500, len(run.layers))) for name in run.series}
    long = replace(run, steps=steps, series=series, scalars={"loss": np.ones(2500)})
    lengths = [len(block.steps) for block in tidy.blocks(long, statistics=["delta_rms"])]
    assert lengths == [1000, 1000, 500]


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"statistics": ["delta_rm"]}, "did you mean 'delta_rms'?"),
        ({"layers": ["hidden2"]}, "did you mean 'hidden_2'?"),
        ({"steps": [10_000]}, "recorded are"),
    ],
)
def test_unknown_names_say_the_nearest(chosen: dict[str, list[object]], said: str) -> None:
    with pytest.raises(BadRequest) as error:
        _rows(record(3), **chosen)
    assert said in error.value.remedy


def test_a_data_frame_has_the_rows() -> None:
    pandas = pytest.importorskip("pandas")
    run = record(2)
    frame = run.to_frame(statistics=["delta_rms", "loss"])
    assert isinstance(frame, pandas.DataFrame)
    rows = [tuple(row) for row in frame.itertuples(index=False)]
    assert rows == _rows(run, statistics=["delta_rms", "loss"])


def test_what_initializers_promise() -> None:
    """A layer of two matrices, a layer of one, and one whose initializer is not known."""
    run = record(3)
    run.series["weight_variance"][:] = 0.02

    def weight(layer: str, shape: tuple[int, int], initializer: str) -> InitialWeight:
        fans = {"fan_in": shape[0], "fan_out": shape[1]}
        figures = {"mean": 0.0, "variance": 0.01, "minimum": -0.1, "maximum": 0.1}
        return InitialWeight(
            layer, "kernel", shape, "float32", **fans, **figures, initializer=initializer
        )

    weights = (
        weight("hidden_1", (100, 50), "he_uniform"),
        weight("hidden_2", (40, 10), "glorot_uniform"),
        weight("hidden_2", (10, 10), "lecun_normal"),
        weight("hidden_3", (10, 10), "Mine"),
    )
    run = replace(run, initial_weights=weights)
    start = {
        (layer, statistic): value
        for step, layer, statistic, value in _rows(run, statistics=list(tidy.PROMISED))
        if step == 0
    }
    pooled = (400 * 2 / 50 + 100 / 10) / 500
    assert start == {
        ("hidden_1", "promised_weight_variance"): 2 / 100,
        ("hidden_1", "promised_weight_limit"): pytest.approx(np.sqrt(6 / 100)),
        ("hidden_1", "weight_variance_ratio"): pytest.approx(1.0),
        ("hidden_2", "promised_weight_variance"): pytest.approx(pooled),
        ("hidden_2", "weight_variance_ratio"): pytest.approx(0.02 / pooled),
    }
    later = _rows(run, statistics=list(tidy.PROMISED), steps=[int(run.steps[-1])])
    assert {row[2] for row in later} == {"weight_variance_ratio"}
    assert set(tidy.PROMISED) <= set(tidy.statistic_names(run))
