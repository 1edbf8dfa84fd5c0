"""The compared figures, against plain numpy, and that the scale of the loss does not move them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves import window
from gradscope.gate.baselines import figures, seed_statistics
from gradscope.record import RunRecord
from tests.analyzer.synthetic import record


@pytest.fixture
def run() -> RunRecord:
    made = record(3, steps=[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10], signal=[1.0, 2.0, 3.0])
    rng = np.random.default_rng(3)
    for name in ("delta_second_moment", "kernel_gradient_second_moment"):
        made.series[name][:, 1:] = np.exp(rng.normal(size=(11, 4)))
    made.scalars["loss"][:] = np.linspace(2.0, 1.0, 11)
    return made


def test_initial(run: RunRecord) -> None:
    found = figures.initial(run)
    delta = run.series["delta_second_moment"][0]
    np.testing.assert_allclose(found["signal"][1:4], np.log([1.0, 4.0, 9.0]))
    np.testing.assert_allclose(found["delta"][1:], np.log(delta[1:] / delta[4]))
    np.testing.assert_allclose(found["update"][1:], 2 * np.log(1e-3))
    assert np.isnan(found["signal"][0])
    assert found["delta"][4] == 0.0


def test_trained_is_the_median_of_the_second_half(run: RunRecord) -> None:
    found = figures.trained(run)
    delta = run.series["delta_second_moment"]
    rows = run.steps > 5
    expected = np.median(np.log(delta[rows, 1] / delta[rows, 4]))
    assert rows.sum() == 5
    assert found["delta"][1] == pytest.approx(expected)
    assert figures.learning(run) == pytest.approx(np.log(np.median(run.scalars["loss"][rows]) / 2))


def test_the_scale_of_the_loss_moves_nothing(run: RunRecord) -> None:
    """Gradients by c in all layers; with the rate divided by c the updates stay."""
    scaled = replace(run, series=dict(run.series), scalars=dict(run.scalars))
    for name in ("delta_second_moment", "kernel_gradient_second_moment"):
        scaled.series[name] = run.series[name] * 1e6**2
    scaled.scalars["loss"] = run.scalars["loss"] * 1e6
    again = figures.initial(scaled)
    for name, values in figures.initial(run).items():
        np.testing.assert_allclose(again[name], values, rtol=1e-12, atol=1e-12)
    assert figures.learning(scaled) == pytest.approx(figures.learning(run))


def test_zeros_and_what_was_not_measured(run: RunRecord) -> None:
    run.series["preactivation_second_moment"][:, 2] = 0.0
    run.series["delta_second_moment"][:, 4] = np.nan
    found = figures.trained(run)
    assert found["signal"][2] == -np.inf
    assert np.isnan(found["delta"]).all(), "without the output's there is nothing to divide by"


def test_median() -> None:
    values = np.array([[1.0, np.nan, -np.inf], [3.0, np.nan, 2.0], [2.0, 5.0, np.nan]])
    assert window.median(values).tolist() == [2.0, 5.0, -np.inf]


def test_the_bank_of_records(run: RunRecord) -> None:
    other = replace(run, environment=replace(run.environment, seed=8), evaluation={})
    made = seed_statistics.from_records([run, other], [], 1)
    assert (made.seeds, made.trained_seeds, made.steps) == ((7, 8), 1, run.outcome.steps_requested)
    assert made.initial["signal"].shape == (2, 5)
    assert made.trained["signal"].shape == (1, 5)
    assert made.names("hidden") == ("hidden_1", "hidden_2", "hidden_3")
    at_start = seed_statistics.from_records([run], [], 0)
    assert (at_start.steps, at_start.trained["signal"].shape, at_start.learning.size) == (
        0,
        (0, 5),
        0,
    )
