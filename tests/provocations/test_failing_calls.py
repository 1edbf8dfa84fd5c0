"""Whichever call of the system fails while a file is written, it is the old one or the new one.

Each writer is run again and again: the first call fails, then the second, until none is left. Each
time alone, with every later call, as on a full disk, and by Ctrl-C.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradscope.cli.check_forms import Destination, deliver
from gradscope.errors import GradscopeError
from gradscope.gate.baselines import baseline_file
from gradscope.record import storage
from gradscope.record.files import atomic
from gradscope.record.sweep_table import Look, SweepTable
from gradscope.reporters import export
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.new_config import NewConfig
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run import folder as report_files
from gradscope.reporters.run import html, plots, result_json
from gradscope.reporters.theory import plot as theory_plot
from gradscope.workflows.new_ci_file import CiFile
from gradscope.workflows.new_config import write_config
from gradscope.workflows.report_files import report_folder
from gradscope.workflows.sweep.store import SweepFolder
from tests.analyzer import synthetic
from tests.each_case import each_case
from tests.gate.seed_statistics import bank
from tests.provocations import outcomes
from tests.provocations.failing_calls import Failing, disk_full, failing_in
from tests.reporters import fixtures
from tests.reporters.check import cases

Writer = Callable[[Path], object]

FAULTS: Mapping[str, tuple[bool, Callable[[], BaseException]]] = {
    "one call": (False, disk_full),
    "a full disk": (True, disk_full),
    "Ctrl-C": (False, KeyboardInterrupt),
}
OLD = b"of an earlier run"
"""What stands in the place of every output."""


@functools.cache
def _report() -> Any:
    return replace(fixtures.healthy(), record=synthetic.record(3, steps=2))


@functools.cache
def _bank() -> Any:
    return bank(range(3))


def _pages(target: Path) -> object:
    return report_files.write_pages(_report(), target, ReportOptions())


def _form(form: str, target: Path) -> None:
    deliver([cases.passing()], [Destination(form, target / form)])


def _sweep(target: Path) -> None:
    store = SweepFolder(target)
    store.write_table(SweepTable("s", (), "product", 1, Look.THEORY, ()))


def _ci(target: Path) -> None:
    CiFile(target / "gradients.yml", "jobs: {}\n").write()


WRITERS: Mapping[str, tuple[tuple[str, ...], Writer]] = {
    "a record": (
        ("record.npz",),
        lambda target: report_files.write_record(_report().record, target),
    ),
    "a result": (("result.json",), lambda target: report_files.write_result(_report(), target)),
    "a page and its pictures": (("report.html", "loss.png", "loss.svg"), _pages),
    "a baseline": (("b.json",), lambda target: baseline_file.write(_bank(), target / "b.json")),
    "a table of a record": (
        ("t.csv",),
        lambda target: export.write_csv(_report().record, target / "t.csv"),
    ),
    "a Parquet file": (
        ("t.parquet",),
        lambda target: export.write_parquet(_report().record, target / "t.parquet"),
    ),
    "a picture of theory": (("t.svg",), lambda target: theory_plot.save(None, target / "t.svg")),
    **{
        f"a check as {form}": ((form,), functools.partial(_form, form))
        for form in sorted(set(CHECK_FORMS) - {"github"})
    },
    "a sweep": (("table.csv", "sweep.json"), _sweep),
    "a CI file": (("gradients.yml",), _ci),
    "a config": (
        ("n.yaml",),
        lambda target: write_config(NewConfig("n"), target / "n.yaml", replace_file=True),
    ),
}


@pytest.fixture(autouse=True)
def _drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    use_drawn_pictures(monkeypatch)


def use_drawn_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures, pages and texts that are made once: what is tried here is how they are written."""
    drawn = type("Drawn", (), {"files": {"loss.png": b"png", "loss.svg": b"svg"}, "faults": ()})
    monkeypatch.setattr(plots, "files", lambda report: drawn)
    monkeypatch.setattr(html, "render", lambda *arguments: "a page")
    monkeypatch.setattr(result_json, "json_text", _result_text)
    monkeypatch.setattr(theory_plot, "draw", lambda forecast: None)
    monkeypatch.setattr(theory_plot.rendering, "rendered", lambda drawn: {"theory.svg": b"svg"})


def _result_text(report: Any, options: object) -> str:
    del options
    return json.dumps({"exit_code": report.exit_code})


def each_failure(tmp_path: Path, names: tuple[str, ...], write: Writer) -> Iterator[Path]:
    """The folder after each failure of each kind; the last of a kind had none."""
    for fault, (lasting, error) in FAULTS.items():
        for number in itertools.count(1):
            target = tmp_path / f"{fault} {number}".replace(" ", "_")
            target.mkdir()
            for name in names:
                (target / name).write_bytes(OLD)
            failing = Failing(number, lasting=lasting, error=error())
            with failing_in(target, failing):
                try:
                    write(target)
                except (GradscopeError, OSError, KeyboardInterrupt):
                    assert not failing.untouched
            if failing.untouched:
                assert number > 3, "the calls are counted"
                break
            yield target


@each_case("name", tuple(WRITERS))
def test_a_file_is_the_old_or_the_new_one(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    try:
        count = failures(name, tmp_path_factory.mktemp("failures"))
        assert count > 9
    except BaseException:
        outcomes.note(f"failing call: {name}", 1, wrong=1)
        raise
    outcomes.note(f"failing call: {name}", count)


def failures(name: str, folder: Path) -> int:
    """Write a file while each call fails, and give how many did; raises where a file is torn."""
    names, write = WRITERS[name]
    place = folder / "new"
    place.mkdir()
    write(place)
    new = {output: (place / output).read_bytes() for output in names}
    assert OLD not in new.values()
    count = 0
    for target in each_failure(folder, names, write):
        count += 1
        for output in names:
            content = (target / output).read_bytes()
            assert content in (OLD, new[output]), (target.name, output, content[:80])
    return count


def test_a_report_never_says_more_than_is_there(tmp_path: Path) -> None:
    report, names = _report(), ("record.npz", "result.json", "report.html", "loss.png")

    def write(target: Path) -> object:
        return report_folder.write_report(report, target)

    for target in each_failure(tmp_path, names, write):
        record = (target / "record.npz").read_bytes()
        result = (target / "result.json").read_bytes()
        if record == OLD:
            assert {(target / name).read_bytes() for name in names} == {OLD}
            continue
        storage.load(target / "record.npz")
        if result != OLD and json.loads(result)["exit_code"] == report.exit_code:
            assert (target / "report.html").read_bytes() == b"a page"
            assert (target / "loss.png").read_bytes() == b"png"


def test_a_writer_that_tears_its_file_is_noticed(tmp_path: Path) -> None:
    def tear(target: Path) -> None:
        with (target / "x").open("wb") as file:
            file.write(b"n" * 20_000)
            file.write(b"ew" * 20_000)
            file.flush()
            atomic._flush_folder(target)

    contents = {(f / "x").read_bytes() for f in each_failure(tmp_path, ("x",), tear)}
    assert contents - {OLD, b"n" * 20_000 + b"ew" * 20_000}
