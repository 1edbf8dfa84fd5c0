"""Each statement of the chapter is shown by a config, whose figures agree with closed forms."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from gradscope import api
from gradscope.cli.main import cli
from scripts.chapter import STATEMENTS, closed_forms
from scripts.chapter.statement import CONFIGS, FIRST_SEED, Run, Statement, findings
from scripts.make_chapter_page import PAGE, head

RUNS = {run.command: run for statement in STATEMENTS for run in statement.runs.values()}


def statement_titled(start: str) -> Statement:
    [statement] = [each for each in STATEMENTS if each.title.startswith(start)]
    return statement


def committed(statement: Statement) -> dict[str, float]:
    """The figures of a statement as the page has them: what -> measured."""
    section = PAGE.read_text(encoding="utf-8").split(f"## {statement.title}\n")[1].split("\n## ")[0]
    rows = [line.split(" | ") for line in section.splitlines() if line.startswith("| ")][1:]
    return {cells[0].removeprefix("| "): float(cells[2]) for cells in rows}


def relu(z: np.ndarray) -> np.ndarray:
    return np.maximum(z, 0.0)


# --- without TensorFlow ----------------------------------------------------------------------


def test_the_page_has_every_statement_with_its_commands_and_picture() -> None:
    written = PAGE.read_text(encoding="utf-8")
    for statement in STATEMENTS:
        assert head(statement) in written, "run scripts/make_chapter_page.py"
        assert committed(statement)
    assert written.count("\n## ") == len(STATEMENTS)
    pictures = {statement.picture for statement in STATEMENTS}
    files = list((PAGE.parent / "chapter").iterdir())
    assert {f"chapter/{path.name}" for path in files} == pictures
    assert max(path.stat().st_size for path in files) < 60_000


def test_the_page_has_every_command_once() -> None:
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
    assert sorted(commands) == sorted(RUNS)


def test_every_config_of_the_chapter_is_run_by_a_statement() -> None:
    used = {run.config for run in RUNS.values()}
    assert {f"chapter/{path.stem}" for path in (CONFIGS / "chapter").glob("*.yaml")} <= used
    assert {"relu_he_20", "relu_glorot_30", "notebook", "notebook_bn_before"} <= used
    for run in RUNS.values():
        config = api.load_config(CONFIGS / f"{run.config}.yaml", run.changed)
        assert config.seed == FIRST_SEED, "the command is to show the first of the seeds"


def test_the_closed_forms_are_those_of_the_papers() -> None:
    """Moments that can be had by hand, and the rates that Yang et al. 2019 give."""
    assert closed_forms.second(relu, 3.0) == pytest.approx(1.5, rel=1e-6)
    assert closed_forms.normal_mean(relu, 1.0) == pytest.approx(1 / math.sqrt(2 * math.pi), 1e-6)
    assert closed_forms.normal_mean(closed_forms.selu, 1.0) == pytest.approx(0.0, abs=1e-6)
    assert closed_forms.second(closed_forms.selu, 1.0) == pytest.approx(1.0, rel=1e-6)
    slope = closed_forms.second(closed_forms.selu, 1e8) / 1e8
    assert slope == pytest.approx(closed_forms.SCALE**2 / 2, rel=1e-3)
    rates = {32: 1.522, 128: 1.4797, 10**7: math.pi / (math.pi - 1)}
    for batch, rate in rates.items():
        assert closed_forms.batch_norm_rate(batch) == pytest.approx(rate, rel=1e-4)
    q = closed_forms.normalized(0.04)
    variance = 0.04 * (q / 2 - q / (2 * math.pi))  # of relu(z), z normal of mean square q
    assert q == pytest.approx(variance / (variance + 1e-3), rel=1e-9)
    q = closed_forms.signals(np.tanh, 1.0, 200)
    assert 400 * q[-1] == pytest.approx(1.0, abs=0.03), "a power law: E z^2 = 1 / (2 depth)"


def test_the_formula_of_momentum_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The chapter's notebook says that close to 1 the last batch counts: it is the other end."""
    with cli.make_context("gradscope", ["explain", "batch_norm_momentum"]) as context:
        cli.invoke(context)
    printed = " ".join(capsys.readouterr().out.split())
    assert "moving = moving * momentum + batch * (1 - momentum)" in printed
    assert "At momentum 1 they never move; at 0 they are the last batch's." in printed


# --- on real runs ----------------------------------------------------------------------------


@pytest.mark.tensorflow
@pytest.mark.long("26 runs")
@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.title)
def test_a_statement_holds(statement: Statement, tensorflow_once: Any) -> None:
    page = committed(statement)
    figures = statement.figures()
    assert [figure.what for figure in figures] == list(page)
    for figure in figures:
        assert figure.holds, figure
        shown, slack = page[figure.what], 5e-3 * abs(page[figure.what])  # three digits
        assert figure.low - slack <= shown <= figure.high + slack, (figure, shown)


@pytest.mark.tensorflow
@pytest.mark.long("26 runs")
@pytest.mark.parametrize("run", RUNS.values(), ids=RUNS.keys())
def test_the_verdicts_say_so(run: Run, tensorflow_once: Any) -> None:
    finding = {name for name, items in findings(run).items() if items}
    assert set(run.with_findings) <= finding
    assert not set(run.without_findings) & finding


@pytest.mark.tensorflow
def test_the_finding_has_the_momentum_of_the_run_in_the_formula(tensorflow_once: Any) -> None:
    """0.999^120 = 88.7 %; and at 1 nothing of the batch is ever taken."""
    runs = statement_titled("Momentum").runs
    [slow], [never] = (findings(runs[m])["batch_norm_momentum"] for m in ("0.999", "1.0"))
    assert slow.observed == pytest.approx(0.999**120)
    assert "are still 88.7% their start after 120 steps" in slow.message
    assert "moving = moving * 0.999 + batch * 0.001 (0.999^120 of the start" in slow.details
    assert "never move" in never.message
    assert "Each step computes moving = moving * 1 + batch * 0," in never.details
    # Both lose answers in inference mode, which is what makes it an error.
    assert (slow.severity, never.severity) == ("error", "error")


@pytest.mark.tensorflow
@pytest.mark.long("five runs, 30 s")
def test_each_condition_of_selu_has_a_message_of_its_own(tensorflow_once: Any) -> None:
    reported = {
        statement.title: findings(statement.runs["broken"])["selu_conditions"]
        for statement in STATEMENTS
        if " condition of SELU" in statement.title
    }
    reasons = ("he_normal gives", "the features have mean", "plain dropout of 0.1", "goes around")
    assert len(reported) == len(reasons)
    for (title, items), reason in zip(reported.items(), reasons, strict=True):
        assert [reason in finding.message for finding in items] == [True], (title, items)
