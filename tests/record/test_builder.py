"""A record while it grows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.record import STATISTICS, Histogram, OutcomeStatus
from gradscope.record.builder import SCALARS, Beginning, RecordBuilder
from tests.analyzer.synthetic import CONFIG, DATA, ENVIRONMENT, network

LAYERS = network([9, 7], input_norm=True)
NAMES = list(STATISTICS)
SHAPE = (len(NAMES), len(LAYERS))


def begun() -> RecordBuilder:
    builder = RecordBuilder()
    builder.begin(
        Beginning(
            name="grown",
            layers=LAYERS,
            environment=ENVIRONMENT,
            data=DATA,
            config=CONFIG,
            batch_size=32,
            probe_samples=1000,
            steps_requested=30,
        )
    )
    return builder


def figures(seed: int) -> np.ndarray:
    """Random figures; no non-finite value was counted."""
    made = np.random.default_rng(seed).random(SHAPE)
    for name in ("nonfinite_count", "nonfinite_forward_count", "nonfinite_backward_count"):
        made[NAMES.index(name)] = 0.0
    return made


def snapshot(step: int) -> Histogram:
    shape = (1, len(LAYERS))
    return Histogram(
        quantity="z",
        steps=np.array([step], np.int64),
        edges=np.linspace(-1, 1, 4),
        counts=np.full((*shape, 3), step, np.int64),
        outside=np.full(shape, step + 1, np.int64),
    )


def test_nothing_before_the_layers_are_known() -> None:
    builder = RecordBuilder()
    assert builder.build(OutcomeStatus.PARTIAL, "stopped", 1.0) is None
    assert builder.steps_done == 0
    assert builder.latest("delta_second_moment", "hidden") == []


def test_no_step_yet() -> None:
    record = begun().build(OutcomeStatus.PARTIAL, "stopped while building", 0.5)
    assert record is not None
    assert set(record.series) == set(STATISTICS)
    assert {values.shape for values in record.series.values()} == {(0, len(LAYERS))}
    assert {values.shape for values in record.scalars.values()} == {(0,)}
    assert record.steps.tolist() == []
    assert (record.outcome.steps_requested, record.outcome.steps_done) == (30, 0)
    assert not record.outcome.complete


def test_the_first_step_also_gives_the_network_as_initialised() -> None:
    builder, first = begun(), figures(1)
    builder.step(1, first, (2.5, 0.1, 0.01))
    record = builder.build(OutcomeStatus.COMPLETE, "done", 1.0)
    assert record is not None
    assert record.steps.tolist() == [0, 1]
    for i, name in enumerate(NAMES):
        np.testing.assert_array_equal(record.series[name][1], first[i])
        before = np.full(len(LAYERS), np.nan) if name == "update_ratio" else first[i]
        np.testing.assert_array_equal(record.series[name][0], before)
    assert tuple(record.scalars) == SCALARS
    for name, value in zip(SCALARS, (2.5, 0.1, 0.01), strict=True):
        assert record.scalars[name].tolist() == [value, value]


def test_what_the_first_update_broke_is_not_there_before_it() -> None:
    builder, first = begun(), figures(1)
    total, ahead, back = (
        NAMES.index(f"nonfinite_{name}count") for name in ("", "forward_", "backward_")
    )
    first[total] = [np.nan, 5.0, 7.0, 2.0, 9.0]
    first[ahead] = [np.nan, 5.0, 3.0, 0.0, 0.0]
    first[back] = [np.nan, np.nan, 4.0, 2.0, 0.0]
    builder.step(1, first, (1.0, 0.1, 0.01))
    record = builder.build(OutcomeStatus.DIVERGED, "stopped", 1.0)
    assert record is not None
    counts = record.series["nonfinite_count"]
    np.testing.assert_array_equal(counts[0], [np.nan, 5.0, 7.0, 2.0, 0.0])
    np.testing.assert_array_equal(counts[1], first[total])


def test_later_steps_give_one_row_each() -> None:
    builder = begun()
    given = {step: figures(step) for step in (1, 10, 20, 27)}
    for step, statistics in given.items():
        builder.step(step, statistics, (float(step), np.nan, 0.1))
        assert builder.steps_done == step
    record = builder.build(OutcomeStatus.DIVERGED, "stopped", 2.0)
    assert record is not None
    assert record.steps.tolist() == [0, 1, 10, 20, 27]
    assert record.steps.dtype == np.int64
    assert record.scalars["loss"].tolist() == [1.0, 1.0, 10.0, 20.0, 27.0]
    for row, step in enumerate((1, 10, 20, 27), start=1):
        for i, name in enumerate(NAMES):
            np.testing.assert_array_equal(record.series[name][row], given[step][i])
    assert (record.outcome.status, record.outcome.steps_done) == ("diverged", 27)
    assert (record.seconds, record.batch_size, record.probe_samples) == (2.0, 32, 1000)
    assert record.outcome.complete


def test_a_run_that_starts_elsewhere_keeps_its_numbers() -> None:
    builder = begun()
    builder.step(5, figures(5), (1.0, 0.5, 0.1))
    record = builder.build(OutcomeStatus.PARTIAL, "stopped", 1.0)
    assert record is not None
    assert record.steps.tolist() == [0, 5]


def test_looks_at_the_probe_set_fill_the_rows_of_their_step() -> None:
    builder = begun()
    row = np.linspace(0, 1, len(LAYERS))
    for step in (1, 2, 3, 4):
        if step in (1, 3):
            builder.probe(step, row / step)
        if step != 3:
            builder.step(step, figures(step), (1.0, 0.5, 0.1))
    builder.probe(4, row * 0.5)
    record = builder.build(OutcomeStatus.COMPLETE, "done", 1.0)
    assert record is not None
    dead = record.series["dead_fraction"]
    assert record.steps.tolist() == [0, 1, 2, 4]
    np.testing.assert_array_equal(dead[0], row)
    np.testing.assert_array_equal(dead[1], row)
    np.testing.assert_array_equal(dead[2], figures(2)[NAMES.index("dead_fraction")])
    np.testing.assert_array_equal(dead[3], row * 0.5)


def test_a_record_can_be_had_at_any_time_and_does_not_change_afterwards() -> None:
    builder = begun()
    builder.step(1, figures(1), (1.0, 0.5, 0.1))
    early = builder.build(OutcomeStatus.PARTIAL, "so far", 0.1)
    assert early is not None
    kept = {name: values.copy() for name, values in early.series.items()}
    mine = figures(2)
    builder.step(2, mine, (1.0, 0.5, 0.1))
    mine[:] = -1.0
    builder.probe(1, np.zeros(len(LAYERS)))
    late = builder.build(OutcomeStatus.COMPLETE, "done", 0.2)
    assert late is not None
    assert (len(early.steps), len(late.steps)) == (2, 3)
    for name, values in kept.items():
        np.testing.assert_array_equal(early.series[name], values)
    np.testing.assert_array_equal(
        late.series["update_ratio"][2], figures(2)[NAMES.index("update_ratio")]
    )
    late.series["delta_variance"][:] = 0.0
    again = builder.build(OutcomeStatus.COMPLETE, "done", 0.3)
    assert again is not None
    assert again.series["delta_variance"].any()


def test_histograms_are_joined() -> None:
    builder = begun()
    for step in (1, 15, 30):
        builder.histogram("preactivation", snapshot(step))
    builder.histogram("log10_abs_delta", snapshot(30))
    record = builder.build(OutcomeStatus.COMPLETE, "done", 1.0)
    assert record is not None
    joined = record.histograms["preactivation"]
    assert joined.quantity == "z"
    assert joined.steps.tolist() == [1, 15, 30]
    assert joined.counts.shape == (3, len(LAYERS), 3)
    assert joined.counts[:, 0, 0].tolist() == [1, 15, 30]
    assert joined.outside[:, 1].tolist() == [2, 16, 31]
    np.testing.assert_array_equal(joined.edges, np.linspace(-1, 1, 4))
    assert record.histograms["log10_abs_delta"].steps.tolist() == [30]


def test_the_newest_figures() -> None:
    builder = begun()
    for step in (1, 2):
        builder.step(step, figures(step), (1.0, 0.5, 0.1))
    row = figures(2)[NAMES.index("delta_second_moment")]
    assert builder.latest("delta_second_moment", "hidden") == [row[2], row[3]]
    assert builder.latest("delta_second_moment", "output") == [row[4]]


def test_evaluation_is_kept() -> None:
    builder = begun()
    builder.evaluation = {"test_loss": 0.5}
    record = builder.build(OutcomeStatus.COMPLETE, "done", 1.0)
    assert record is not None
    assert record.evaluation == {"test_loss": 0.5}
    record.evaluation["test_loss"] = 9.0
    assert builder.evaluation == {"test_loss": 0.5}


@pytest.mark.parametrize(
    ("status", "complete"), [("complete", True), ("diverged", True), ("partial", False)]
)
def test_from_what_a_verdict_may_be_drawn(status: str, complete: bool) -> None:
    record = begun().build(OutcomeStatus(status), "so it ended", 1.0)
    assert record is not None
    assert record.outcome.complete is complete
    assert record.outcome.sentence == "so it ended"


def test_indices() -> None:
    record = begun().build(OutcomeStatus.COMPLETE, "done", 1.0)
    assert record is not None
    assert record.indices("hidden") == (2, 3)
    assert record.indices("hidden", "output") == (2, 3, 4)
    assert record.indices("normalization") == (1,)
    assert record.indices("structure") == ()


def test_delta_over_time_is_cut_by_the_layers_lengths() -> None:
    builder = begun()
    assert builder.beginning is not None
    lengths = [None, 3, None, 2]
    layers = tuple(
        replace(layer, time_steps=length)
        for layer, length in zip(LAYERS, [*lengths, *[None] * len(LAYERS)], strict=False)
    )
    builder.begin(replace(builder.beginning, layers=layers))
    builder.step(1, figures(1), (1.0, 0.5, 0.1), np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    builder.step(4, figures(4), (1.0, 0.5, 0.1), np.array([6.0, 7.0, 8.0, 9.0, np.nan]))
    record = builder.build(OutcomeStatus.COMPLETE, "", 0.0)
    assert record is not None
    assert list(record.recurrent_delta) == [layers[1].name, layers[3].name]
    first, second = record.recurrent_delta.values()
    np.testing.assert_array_equal(first, [[1, 2, 3], [1, 2, 3], [6, 7, 8]])
    np.testing.assert_array_equal(second, [[4, 5], [4, 5], [9, np.nan]])
