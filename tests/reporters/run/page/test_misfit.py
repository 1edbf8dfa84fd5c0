"""What the page says of a loss and of inputs that are not what the rest of it takes for granted."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from gradscope.analyzer.diagnose import diagnose
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page.run_plots import run_plots
from gradscope.reporters.run.page.run_screen import run_screen
from gradscope.reporters.run.page.screen import Plot, Role
from tests.analyzer.detectors.cases import CASES
from tests.reporters.run.test_answer import answer


def sick(name: str) -> Report:
    """The first case whose diagnosis the detector leads, with an error."""
    for case in CASES:
        if case.kind == "sick" and case.severity == "error" and case.detector == name:
            report = Report.from_diagnosis(case.record, diagnose(case.record), 1)
            if lead.lead_name(report) == name:
                return report
    raise AssertionError(name)


def test_a_loss_that_the_output_does_not_fit_is_never_passed() -> None:
    """One sigmoid for ten digits: the binary cross-entropy falls far below 0 and tells nothing."""
    report = sick("output_mismatch")
    falling = np.linspace(-1.0, -2e6, len(report.record.steps))
    record = replace(report.record, scalars=report.record.scalars | {"loss": falling})
    report = replace(report, record=record)
    assert lead.misfit(report)
    assert math.isnan(lead.constant_loss(report))
    line = next(line for line in answer(report) if line.startswith("  loss "))
    assert line.endswith("- the output does not fit")
    loss = next(plot for plot in run_plots(report) if plot.tab == "Loss")
    assert isinstance(loss, Plot)
    assert loss.limits == ()


def test_a_softmax_that_is_taken_twice_is_no_passed_loss_where_it_learns() -> None:
    [case] = [case for case in CASES if case.name == "softmax_twice_learns"]
    report = Report.from_diagnosis(case.record, diagnose(case.record), 1)
    assert lead.lead_name(report) == "output_mismatch"
    line = next(line for line in answer(report) if line.startswith("  loss "))
    assert line.endswith("- the output does not fit")


def test_the_constant_answer_stands_beside_a_loss_that_fits() -> None:
    report = sick("not_learning")
    assert not lead.misfit(report)
    assert lead.constant_loss(report) == pytest.approx(math.log(10), rel=0.01)


def test_inputs_are_shown_as_they_were_at_the_start() -> None:
    """Training may have ruined the rest by the end; what was fed is what was found."""
    report = sick("unscaled_input")
    screen = run_screen(report, ReportOptions())
    plot = screen.plots[0]
    assert isinstance(plot, Plot)
    measured = next(curve for curve in plot.curves if curve.role is Role.MEASURED)
    hidden = [layer.index for layer in report.record.layers if layer.role == "hidden"]
    squares = report.record.series["preactivation_second_moment"][0, hidden]
    np.testing.assert_allclose(measured.values, np.sqrt(squares))
    assert screen.moments.resting == "step 0, as judged"
