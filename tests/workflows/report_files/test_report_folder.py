"""What is on disk when the end comes while the report is being written."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from gradscope import load_record
from gradscope.errors import CouldNotMeasure, ExitCode
from gradscope.record import RunRecord
from gradscope.record.objective.objective_info import ObjectiveInfo
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import folder
from gradscope.workflows.analysis import analyze
from gradscope.workflows.report import report_again
from gradscope.workflows.report_files import report_folder
from tests.cli.running import result_in
from tests.reporters import fixtures


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (KeyboardInterrupt(), 130),
        (SystemExit(143), 143),
        (CouldNotMeasure("disk full"), 3),
        (ZeroDivisionError("a bug in a picture"), 3),
    ],
)
def test_the_result_agrees_with_the_code_when_the_pictures_fail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    (tmp_path / "report.html").write_text("of an earlier run")

    def fail(report: Report, target: Path, options: ReportOptions) -> list[Path]:
        del options
        assert result_in(target)["exit_code"] == 3, "the result says that pages are missing"
        raise error

    monkeypatch.setattr(folder, "write_pages", fail)
    with pytest.raises(type(error)):
        report_folder.write_report(fixtures.healthy(), tmp_path)
    result = result_in(tmp_path)
    assert (result["exit_code"], result["status"], result["verdict"]) == (
        code,
        "complete",
        "healthy",
    )
    assert load_record(tmp_path).outcome.status == "complete"
    assert not (tmp_path / "report.html").exists()


def test_what_was_measured_is_kept_when_it_cannot_be_judged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("report.html", "result.json"):
        (tmp_path / name).write_text("of an earlier run")

    def fail(record: object, *, gate: bool) -> Report:
        raise OverflowError("a bug in the theory")

    monkeypatch.setattr(report_folder, "analyze", fail)
    with pytest.raises(OverflowError):
        report_folder.analyze_or_keep(fixtures.healthy().record, tmp_path, gate=False)
    assert [path.name for path in tmp_path.iterdir()] == ["record.npz"]
    assert load_record(tmp_path).outcome.status == "complete"


def test_an_impatient_signal_does_not_cost_what_is_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = fixtures.partial()

    def interrupt(record: object) -> Report:
        for number in (signal.SIGINT, signal.SIGTERM):
            os.kill(os.getpid(), number)
        return report

    monkeypatch.setattr(report_folder, "analyze", interrupt)
    before = signal.getsignal(signal.SIGTERM)
    error = CouldNotMeasure("it died", "try again")
    error.partial = report.record
    report_folder.keep_partial(error, tmp_path)
    assert error.remedy == f"try again\n  kept: {tmp_path / 'record.npz'}"
    assert result_in(tmp_path)["exit_code"] == ExitCode.COULD_NOT_MEASURE
    assert signal.getsignal(signal.SIGTERM) is before


def test_nothing_measured_nothing_kept(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("of an earlier run")
    error = CouldNotMeasure("it died at once", "try again")
    report_folder.keep_partial(error, tmp_path)
    assert error.remedy == "try again"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


def test_the_number_of_an_earlier_report_is_above_all_others(tmp_path: Path) -> None:
    """A gap is not filled: the highest number is the latest of the earlier reports."""
    target = tmp_path / "net"
    for name in ("net", "net-4", "net-x", "network-9"):
        (tmp_path / name).mkdir()
    folder.write_record(fixtures.healthy().record, target)
    assert report_folder.move_earlier(target) == tmp_path / "net-5"
    assert (tmp_path / "net-5" / "record.npz").exists()
    assert list(target.iterdir()) == []
    assert report_folder.move_earlier(target) is None, "nothing is in the way"


def several_gradients() -> RunRecord:
    """A training that takes two gradients: its first record, with the other."""
    record = load_record(Path(__file__).parents[3] / "docs" / "examples" / "quickstart")
    facts = ObjectiveInfo(optimizer="Adam", one_of_several=True)
    first, other = (
        replace(record, name=f"gan.{part}", objective=facts)
        for part in ("discriminator", "generator")
    )
    return replace(first, others=(other,))


@pytest.mark.long("15 s")
def test_a_report_read_again_has_the_other_gradients_of_its_training(tmp_path: Path) -> None:
    target, record = tmp_path / "gan", several_gradients()
    target.mkdir()
    report_folder.write_report(analyze(record), target)
    report_folder.write_others(record, target, gate=False)
    # Of another training, in a folder whose name begins alike.
    stray = tmp_path / "gan.encoder"
    stray.mkdir()
    folder.write_record(replace(record.others[0], name="vae.encoder"), stray)
    for write in (False, True):
        again = report_again(target, write=write)
        assert [each.report.record.name for each in again.others] == ["gan.generator"]
        assert [each.folder for each in again.others] == [tmp_path / "gan.generator"]
        assert all(each.files for each in again.others)
    alone = report_again(tmp_path / "gan.generator")
    assert (alone.report.record.name, alone.others) == ("gan.generator", ())


def test_an_interrupted_training_keeps_the_records_of_all_its_gradients(tmp_path: Path) -> None:
    target = tmp_path / "gan"
    target.mkdir()
    error = CouldNotMeasure("it died", "try again")
    error.partial = several_gradients()
    report_folder.keep_partial(error, target)
    for place, name in (("gan", "gan.discriminator"), ("gan.generator", "gan.generator")):
        assert load_record(tmp_path / place).name == name
        assert result_in(tmp_path / place)["exit_code"] == 3
