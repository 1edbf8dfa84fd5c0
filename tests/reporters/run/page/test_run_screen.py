"""The first screen of a run: state, what, where, what to do, for every kind of finding."""

from __future__ import annotations

import math
import shlex
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.analyzer.diagnose import diagnose
from gradscope.record import DiagnosisState, Outcome, OutcomeStatus, Verdict, VerdictStatus
from gradscope.record.remedies import change_settings
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run.answer import lead
from gradscope.reporters.run.page import drawing
from gradscope.reporters.run.page.plot_parts import layer_ticks
from gradscope.reporters.run.page.run_plots import run_plots
from gradscope.reporters.run.page.run_screen import command_lines, run_screen
from gradscope.reporters.run.page.screen import Plot, Role, RowPlot, Screen, Tone
from gradscope.reporters.run.page.screen_page import command_text
from tests.analyzer.detectors.cases import CASES
from tests.analyzer.synthetic import over_time, record
from tests.each_case import each_case
from tests.reporters import fixtures
from tests.reporters.run.test_answer import FALLING, STEPS, healthy, judged, sigmoid


def screen(report: Report, **options: object) -> Screen:
    given = {"source": "net.yaml"} | options
    return run_screen(report, ReportOptions(**given))  # type: ignore[arg-type]


@cache
def leads() -> dict[str, Report]:
    """A network for each detector that leads the diagnosis of one of its sick cases."""
    found: dict[str, Report] = {}
    for case in CASES:
        if case.kind == "sick" and case.severity == "error":
            report = Report.from_diagnosis(case.record, diagnose(case.record), 1)
            found.setdefault(lead.lead_name(report), report)
    return {name: report for name, report in found.items() if name}


def test_the_sick_network() -> None:
    made = screen(sigmoid())
    what, where, do = made.answers
    assert (made.tone, made.word) == (Tone.UNHEALTHY, "Unhealthy")
    assert made.facts == "60 steps, accuracy 10%, chance"
    assert (what.heading, what.number) == ("The gradient vanishes", "1e-12")
    assert what.caption == "hidden_1 gets 1e-12 of what reaches hidden_20."
    assert where.heading == "hidden_1 to hidden_17"
    assert where.caption == "17 of 20 layers, since initialisation"
    assert do.heading == "relu with he_normal"
    assert do.caption == "theory: x1 per layer."
    [command] = do.commands
    assert command.splitlines() == [
        "gradscope run net.yaml \\",
        "  -s model.activation=relu \\",
        "  -s model.initializer=he_normal",
    ]


def test_the_figure_holds_measurement_theory_promise_and_limit() -> None:
    plot = screen(sigmoid()).plots[0]
    curves = {curve.role: curve for curve in plot.curves}
    assert set(curves) == {Role.MEASURED, Role.THEORY, Role.PROMISE}
    measured = np.geomspace(1e-12, 1.0, 20)
    np.testing.assert_allclose(curves[Role.MEASURED].values, measured, rtol=1e-9)
    np.testing.assert_allclose(curves[Role.PROMISE].values, 1.0, atol=0.1)
    [limit] = plot.limits
    assert (limit.value, limit.label, limit.crossed) == (0.02, "limit 1/50", True)
    assert plot.failing == frozenset(np.flatnonzero(measured < 0.02).tolist())
    assert plot.title == "Each sigmoid passes back 1/4 at most: x0.23 per layer, theory x0.24"


def test_the_healthy_network() -> None:
    made = screen(healthy())
    what, where, do = made.answers
    assert (made.tone, what.heading, what.number) == (Tone.HEALTHY, "Gradients flow", "x1")
    assert where.heading == "hidden_1 to hidden_5"
    assert do.heading == "keep it so"
    assert do.commands == ("gradscope baseline net.yaml", "gradscope check net.yaml")
    assert not any(limit.crossed for plot in made.plots for limit in plot.limits)
    assert not any(plot.failing for plot in made.plots)


def test_a_warning_has_what_where_and_what_to_try() -> None:
    dead = over_time(STEPS + 1, (0, [0.05] * 5), (9, [0.05, 0.05, 0.74, 0.62, 0.98]))
    made = screen(judged(record(steps=STEPS, loss=FALLING, dead=dead, accuracy=0.197)))
    what, where, do = made.answers
    assert (made.tone, made.word) == (Tone.WARNING, "Warning")
    assert (what.heading, what.number) == ("Units are dead", "98%")
    assert where.heading == "hidden_3 to hidden_5"
    assert where.strip is not None
    assert [cell.share for cell in where.strip.cells] == pytest.approx(
        [0.95, 0.95, 0.26, 0.38, 0.02]
    )
    assert [cell.bad for cell in where.strip.cells] == [False, False, True, True, True]
    assert do.commands
    plot = made.plots[0]
    assert isinstance(plot, RowPlot)
    assert plot.tab == "Dead units"
    assert [row.failing for row in plot.rows] == [False, False, True, True, True]
    values = dict(zip(plot.names, plot.rows[2].values, strict=True))
    assert (values["step 0"], values["step 9"]) == (0.05, 0.74)


def test_too_little_is_no_state_of_the_network() -> None:
    what, _, do = screen(judged(record(steps=5))).answers
    assert what.heading == "Too little is known"
    assert what.caption.startswith("Too little to tell whether the network learns: ")
    assert do.heading == "100 steps"
    broken = Outcome(OutcomeStatus.PARTIAL, "interrupted", 300, 5)
    partial = judged(replace(record(steps=5), outcome=broken))
    assert screen(partial).tone is Tone.INCONCLUSIVE
    assert screen(partial).answers[2].heading == "Run it to the end"


def test_every_cause_says_what_where_and_what_to_do() -> None:
    assert len(leads()) > 20
    for name, report in leads().items():
        made = screen(report)
        for answer in made.answers:
            assert answer.heading, name
            assert len(answer.heading) < 120, (name, answer.heading)
        assert made.answers[0].caption, name
        assert made.tone is Tone.UNHEALTHY
        assert made.plots, name
        for plot in made.plots:
            assert plot.title
            assert drawing.svg(plot).count("<svg") > 1
            assert len(plot.positions) == len(plot.names)
            rows = plot.rows if isinstance(plot, RowPlot) else plot.curves
            assert all(len(row.values) == len(plot.names) for row in rows)
            if isinstance(plot, Plot) and plot.frames:
                assert len(plot.frames) == len(made.moments.steps)
                assert {len(frame) for frame in plot.frames} == {len(plot.names)}


@pytest.mark.parametrize(
    ("name", "tab"),
    [
        ("vanishing_gradient", "Gradient"),
        ("exploding_signal", "Signal"),
        ("dead_units", "Dead units"),
        ("saturated_units", "Slope"),
        ("unstable_updates", "Updates"),
        ("frozen_layers", "Updates"),
        ("vanishing_through_time", "Time"),
        ("batch_norm_inference_gap", "Batch norm"),
        ("not_learning", "Loss"),
        ("diverging_loss", "Loss"),
    ],
)
def test_the_first_figure_is_that_of_the_finding(name: str, tab: str) -> None:
    assert name in DETECTORS
    first = run_plots(leads()[name])[0]
    assert first.tab == tab


@each_case("name", fixtures.REPORTS)
def test_every_report_has_a_screen(name: str) -> None:
    made = screen(fixtures.REPORTS[name]())
    assert all(answer.label for answer in made.answers)
    for plot in made.plots:
        drawing.svg(plot)
    strip = made.answers[1].strip
    if strip is not None:
        shares = [cell.share for cell in strip.cells if not math.isnan(cell.share)]
        assert all(0.0 <= share <= 1.0 for share in shares)


def test_a_command_is_broken_between_arguments_only() -> None:
    parts = ("gradscope run net.yaml", "-s 'name=a b c d e f g h i j k l m'", "-s seed=1")
    text = command_lines(parts)
    assert shlex.split(text.replace("\\\n", "")) == shlex.split(" ".join(parts))
    assert "\n" in text


def test_without_a_config_file_there_is_no_command() -> None:
    *_, do = screen(sigmoid(), source="").answers
    assert do.commands == ()
    assert do.heading.startswith("model.activation: relu with model.initializer: he_normal")


def test_ticks_are_names_at_the_ends_and_numbers_between() -> None:
    names = [f"hidden_{i}" for i in range(1, 21)]
    ticks = layer_ticks(names)
    assert (ticks[0], ticks[-1]) == ((0, "hidden_1"), (19, "hidden_20"))
    assert all(text == str(index + 1) for index, text in ticks[1:-1])
    assert len(ticks) <= 13
    assert layer_ticks(["a"]) == ((0, "a"),)
    assert layer_ticks(["dense", "head"]) == ((0, "dense"), (1, "head"))


def test_the_strip_shows_what_was_judged_where_later_steps_are_not_finite() -> None:
    run = fixtures.record(fixtures.network(6), steps=8, signal_gain=10.0)
    run.series["preactivation_second_moment"][3:, 4:] = np.inf
    found = Verdict(
        "GS202",
        "exploding_signal",
        VerdictStatus.FINDING,
        (fixtures.finding(("hidden_5", "hidden_6"), until=8, observed=1e5),),
    )
    diagnosis = fixtures.diagnosis_of(run, DiagnosisState.UNHEALTHY, found)
    where = run_screen(Report(run, diagnosis, None, 1), ReportOptions()).answers[1]
    assert where.strip is not None
    shares = [cell.share for cell in where.strip.cells]
    assert all(0.0 <= share <= 1.0 for share in shares), "none is unknown"
    assert shares[-1] == max(shares)


def test_a_model_of_ones_own_gets_a_line_of_keras_to_copy() -> None:
    report = sigmoid()
    model = report.record.config["model"] | {"source": {"factory": "mine:net"}}
    own = replace(report.record, config=report.record.config | {"model": model})
    settings = (("model.activation", "relu"), ("model.initializer", "he_normal"))
    diagnosis = replace(report.diagnosis, remedies=(change_settings(*settings),))
    for source in ("", "net.yaml"):
        screen = run_screen(Report(own, diagnosis, None, 1), ReportOptions(source=source))
        assert screen.answers[2].commands == ('activation="relu", kernel_initializer="he_normal"',)


def test_nothing_but_nan_is_shown_by_layer_and_not_as_zero() -> None:
    """Both rows are NaN: no loss, no gradient and no signal to draw, but the values that are."""
    made = record(3, steps=1, loss=np.nan, signal=np.nan, delta=np.nan)
    counts = made.series["nonfinite_forward_count"]
    counts[:, 1], counts[:, 2:] = 0.0, 64.0
    made.series["nonfinite_count"][:] = counts
    made = replace(made, outcome=replace(made.outcome, status=OutcomeStatus.DIVERGED))
    report = Report.from_diagnosis(made, diagnose(made), 1)
    assert lead.lead_name(report) == "non_finite"
    shown = run_plots(report)
    assert not {"Gradient", "Signal", "Loss"} & {plot.tab for plot in shown}
    first = shown[0]
    assert isinstance(first, Plot)
    assert first.tab == "Not finite"
    assert first.curves[0].values == (0.0, 64.0, 64.0, 64.0)


def test_updates_that_are_too_small_are_the_answer() -> None:
    made = record(steps=100, update=1e-7)
    rates = made.scalars | {"learning_rate": np.full(len(made.steps), 1e-6)}
    training = made.config["training"] | {
        "optimizer": {"name": "adam", "parameters": {"learning_rate": 1e-6}}
    }
    made = replace(made, scalars=rates, config=made.config | {"training": training})
    shown = screen(Report.from_diagnosis(made, diagnose(made), 4))
    what, where, do = shown.answers
    assert (what.heading, where.heading) == ("The updates are too small", "The whole network")
    assert shown.plots[0].tab == "Updates"
    assert "training.learning_rate=" in do.commands[0]


def test_a_backslash_stays_beside_the_word_before_it() -> None:
    text = command_text("gradscope run <a>.yaml \\\n  -s b=1")
    assert text == 'gradscope run <span class="end">&lt;a&gt;.yaml \\</span>\n  -s b=1'
