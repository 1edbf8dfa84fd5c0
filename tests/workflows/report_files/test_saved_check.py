"""The folder of a check keeps the check: `report` says FAILED again, and never of another run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from gradscope.cli.commands.report import command
from gradscope.gate.check import Checked
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import folder
from gradscope.reporters.run.plots import Drawn
from gradscope.reporters.run.saved_runs import saved_runs
from gradscope.reporters.run_list import list_text
from gradscope.workflows.report import report_again
from gradscope.workflows.report_files import report_folder
from gradscope.workflows.report_files.saved_check import saved_check
from tests.each_case import each_case
from tests.reporters.check import cases
from tests.reporters.run.page.test_check_screen import report_of

MEASURED = {
    name: made[0]
    for name, made in cases.CASES.items()
    if made[0].record is not None and "nasty" not in name
}


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No plots: they take most of the time and say nothing of the check."""
    monkeypatch.setattr("gradscope.reporters.run.plots.files", lambda report: Drawn({}))


def written(checked: Checked, target: Path) -> Report:
    report = report_of(checked)
    report_folder.write_report(report, target, source=checked.source)
    return report


@each_case("name", MEASURED)
def test_a_check_is_read_as_it_was_written(name: str, tmp_path: Path) -> None:
    checked = MEASURED[name]
    report = written(checked, tmp_path)
    assert saved_check(tmp_path, report) == replace(
        checked, record=report.record, diagnosis=report.diagnosis
    )


def test_the_report_of_a_failed_check_says_failed_first(tmp_path: Path) -> None:
    written(cases.failing(), tmp_path)
    again = report_again(tmp_path, write=True).report
    assert again.checked is not None
    page = (tmp_path / folder.PAGE).read_text()
    assert page.index("Failed") < page.index("The network itself")
    assert (tmp_path / folder.CHECK).exists()


def test_the_terminal_says_failed_before_the_network(tmp_path: Path) -> None:
    written(cases.failing(), tmp_path)
    done = CliRunner().invoke(command, [str(tmp_path)])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].startswith("✗ FAILED: deep_relu")
    assert lines.index("The network itself:") > 10
    state = CliRunner().invoke(command, [str(tmp_path), "-q"])
    assert state.stdout.splitlines() == ["✗ FAILED: deep_relu (configs/deep_relu.yaml)"]


def test_a_run_in_the_same_folder_is_no_check(tmp_path: Path) -> None:
    report = written(cases.failing(), tmp_path)
    report_folder.write_report(replace(report, checked=None), tmp_path)
    assert report_again(tmp_path).report.checked is None
    assert "Failed" not in (tmp_path / folder.PAGE).read_text()


@pytest.mark.parametrize("damage", ["", "{}", "[]", '{"configs": [{}]}', '{"configs": 3}'])
def test_what_cannot_be_read_is_no_check(damage: str, tmp_path: Path) -> None:
    report = written(cases.failing(), tmp_path)
    (tmp_path / folder.CHECK).write_text(damage)
    assert saved_check(tmp_path, report) is None


def test_the_list_of_reports_says_failed(tmp_path: Path) -> None:
    checked = replace(cases.failing(), overrides=("model.depth=3",))
    written(checked, tmp_path / "net.check")
    [run] = saved_runs(tmp_path)
    assert (run.outcome, run.verdict, run.overrides) == ("failed", "unhealthy", ("model.depth=3",))
    text = list_text([run], tmp_path, ReportOptions(width=200))
    assert "  failed: unhealthy  " in text
    (tmp_path / "net.check" / folder.CHECK).write_text("{}")
    assert saved_runs(tmp_path)[0].outcome == ""
