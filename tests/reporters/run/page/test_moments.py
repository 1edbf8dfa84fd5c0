"""The slider's stops, rows over steps, and the JSON that the script reads."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run.page import row_drawing
from gradscope.reporters.run.page.moments import MOST, frames, moment_rows, moments
from gradscope.reporters.run.page.page_data import page_data
from gradscope.reporters.run.page.run_screen import run_screen
from gradscope.reporters.run.page.screen import Plot, Role, Row, RowPlot
from tests.analyzer.synthetic import record
from tests.reporters import fixtures
from tests.reporters.run.test_answer import judged, sigmoid

NASTY = "</script><script>alert(1)</script>"


def test_a_short_run_stops_at_every_step() -> None:
    report = judged(record(steps=30))
    assert moments(report).steps == tuple(range(31))
    assert moments(report).resting == "steps 23 to 30, as judged"


def test_a_long_run_stops_evenly_and_at_both_ends() -> None:
    run = record(steps=5000)
    rows = moment_rows(run)
    assert (len(rows), rows[0], rows[-1]) == (MOST, 0, len(run.steps) - 1)
    assert np.ptp(np.diff(rows)) <= 1


def test_a_frame_is_what_was_measured_then_or_last_before() -> None:
    run = record(steps=3)
    values = np.array([[1.0, 2.0], [np.nan, 3.14159], [np.nan, np.nan], [4.0, np.nan]])
    assert frames(run, values) == ((1.0, 2.0), (1.0, 3.14), (1.0, 3.14), (4.0, 3.14))
    assert math.isnan(values[1, 0]), "the record is not changed"


def test_the_gradient_moves_as_it_was_recorded() -> None:
    report = sigmoid()
    plot = run_screen(report, ReportOptions()).plots[0]
    assert isinstance(plot, Plot)
    measured = depth_profile(report.record).gradient_relative[moment_rows(report.record)]
    assert np.array(plot.frames) == pytest.approx(measured, rel=5e-3)


def test_the_data_has_the_steps_and_the_measured_curve() -> None:
    made = run_screen(sigmoid(), ReportOptions())
    data = json.loads(page_data(made))
    assert data["steps"] == list(made.moments.steps)
    first, shown = data["plots"][0], made.plots[0]
    assert isinstance(shown, Plot)
    (curve,) = (curve for curve in first["curves"] if curve["measured"])
    values = next(c.values for c in shown.curves if c.role is Role.MEASURED)
    assert curve["values"] == pytest.approx(values, rel=5e-3)
    assert first["frames"][-1] == pytest.approx(shown.frames[-1])


def test_no_name_ends_the_element_that_holds_the_data() -> None:
    made = run_screen(sigmoid(), ReportOptions())
    names = tuple(NASTY for _ in made.plots[0].names)
    text = page_data(replace(made, plots=(replace(made.plots[0], names=names),)))
    assert "<" not in text
    assert json.loads(text)["plots"][0]["names"][0] == NASTY


@pytest.mark.parametrize("name", fixtures.REPORTS)
def test_what_is_not_finite_is_null(name: str) -> None:
    json.loads(page_data(run_screen(fixtures.REPORTS[name](), ReportOptions())))


def test_rows_stand_from_top_to_bottom_with_their_newest_share() -> None:
    rows = (
        Row("hidden_1", (0.0, 0.5), False),
        Row("a_name_that_is_long_1", (0.25, math.nan), True),
    )
    plot = RowPlot(
        "Dead units", "t", "d", (0.0, 1.0), ("step 0", "step 9"), ((0, "0"), (1, "9")), rows, "dead"
    )
    text = row_drawing.svg(plot)
    assert text.count('class="area"') == 1
    assert text.count('class="area bad"') == 1
    assert ">50%</text>" in text
    assert ">25%</text>" in text
    assert "✗ a_name…long_1<title>a_name_that_is_long_1: 25% dead</title>" in text
    # 72 pixels a row: the foot is one pixel above the next, the top four below the one before.
    assert 'points="0.0,71.0 1000.0,37.0"' in text
