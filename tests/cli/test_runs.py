"""Runs one after another: each simply runs, and no earlier one is lost."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path

import pytest

from gradscope import load_record
from tests.cli.forking import refused, run
from tests.cli.running import ENDLESS, Running, environment, result_in, write_tiny

TINY = "tiny.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


def said_by(folder: Path, *arguments: str) -> str:
    """Run with the stand-in, which must succeed; gives the last line on stderr."""
    done = run(folder, "run", TINY, *arguments, env=environment(folder, stand_in=""))
    assert done.returncode == 0, done.stderr
    return done.stderr.splitlines()[-1]


def seed_in(report: Path) -> int:
    return load_record(report).environment.seed


def test_each_look_runs_and_the_earlier_ones_are_kept(folder: Path) -> None:
    """Again, with another setting, with an edited config."""
    reports = folder / "reports"
    assert said_by(folder) == "report: reports/tiny"
    (reports / "tiny" / "notes.txt").write_text("mine")
    said = said_by(folder, "-s", "seed=2")
    assert said == "report: reports/tiny (the earlier one is now reports/tiny-2)"
    config = folder / TINY
    config.write_text(config.read_text().replace("seed: 1", "seed: 3"))
    assert said_by(folder).endswith("reports/tiny-3)")
    seeds = {path.name: seed_in(path) for path in reports.iterdir()}
    assert seeds == {"tiny": 3, "tiny-2": 1, "tiny-3": 2}
    names = {"command.txt", "loss.png", "record.npz", "report.html", "result.json", "run.log"}
    for path in reports.iterdir():
        assert {file.name for file in path.iterdir()} >= names
    assert (reports / "tiny-2" / "notes.txt").exists(), "a note stays with its run"
    assert (reports / "tiny-3" / "command.txt").read_text() == "gradscope run tiny.yaml -s seed=2\n"


def test_replace_keeps_no_earlier_run(folder: Path) -> None:
    said_by(folder)
    assert said_by(folder, "--replace", "-s", "seed=2") == "report: reports/tiny"
    assert [path.name for path in (folder / "reports").iterdir()] == ["tiny"]
    assert seed_in(folder / "reports" / "tiny") == 2


def test_a_name_for_the_run(folder: Path) -> None:
    assert said_by(folder, "--name", "50") == "report: reports/50"
    assert result_in(folder / "reports" / "50")["name"] == "50"
    shown = run(folder, "report", "50")
    assert shown.returncode == 0, shown.stderr
    assert "50" in shown.stdout.splitlines()[0]
    assert "gradscope run tiny.yaml" in shown.stdout, "the command that made it is known"
    assert "did you mean '50'?" in refused(folder, "report", "500")
    assert "name" in refused(folder, "run", TINY, "--name", "a/b")


def test_output_is_exactly_there(folder: Path) -> None:
    for seed, options in (("1", ()), ("1", ()), ("2", ("--replace",))):
        assert said_by(folder, "-o", "here", "-s", f"seed={seed}", *options) == "report: here"
    assert seed_in(folder / "here") == 2
    env = environment(folder, stand_in="")
    said = refused(folder, "run", TINY, "-o", "here", "-s", "seed=3", env=env)
    assert "here holds the report of another config" in said
    assert seed_in(folder / "here") == 2
    assert not (folder / "reports").exists()


@pytest.mark.parametrize("name", ["result.json", "record.npz", "loss.png", "run.log"])
def test_a_file_of_the_user_is_not_replaced(folder: Path, name: str) -> None:
    (folder / "mine").mkdir()
    (folder / "mine" / name).write_text("mine")
    env = environment(folder, stand_in="")
    for command in ("run", "check"):
        said = refused(folder, command, TINY, "-o", "mine", env=env)
        assert f"mine/{name}" in said
        assert "importing TensorFlow" not in said
    assert [path.name for path in (folder / "mine").iterdir()] == [name]
    assert (folder / "mine" / name).read_text() == "mine"
    said_by(folder, "-o", "mine", "--replace")
    assert load_record(folder / "mine").name == "tiny"


@pytest.mark.parametrize("name", ["result.json", "notes.txt"])
def test_a_file_of_the_user_in_the_default_folder_is_kept(folder: Path, name: str) -> None:
    mine = folder / "reports" / "tiny" / name
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    said_by(folder)
    [kept] = (
        folder.glob(f"reports/*/{name}")
        if name == "notes.txt"
        else [folder / "reports" / "tiny-2" / name]
    )
    assert kept.read_text() == "mine"


FAILURES = {
    "no factory": ("model: {factory: 'train:build'}\n", "there is no module train"),
    "no function": ("model: {factory: 'broken:builds'}\n", "did you mean 'build'?"),
    "no model file": ("model: {keras_file: nowhere.keras}\n", "nowhere.keras"),
    "no data": ("data: {name: csv, path: nowhere.csv, label: a}\n", "nowhere.csv"),
    "bad data": ("data: {name: csv, path: bad.csv, label: label}\n", "bad.csv:12"),
}


@pytest.mark.parametrize("kind", FAILURES)
@pytest.mark.parametrize("earlier", [False, True])
def test_a_run_that_cannot_start_changes_nothing(folder: Path, kind: str, earlier: bool) -> None:
    if earlier:
        said_by(folder)
    (folder / "broken.py").write_text("import nowhere\ndef build(): return 1\n")
    rows = "".join(f"{index},{index % 2}\n" for index in range(10))
    (folder / "bad.csv").write_text(f"a,label\n{rows}nan,1\n")
    section, words = FAILURES[kind]
    lines = [] if section.startswith("model") else ["model: {depth: 2, width: 8}\n"]
    lines += [] if section.startswith("data") else ["data: {name: gaussian}\n"]
    (folder / TINY).write_text("".join(["name: tiny\n", section, *lines]))
    before = snapshot(folder)
    said = refused(folder, "run", TINY, env=environment(folder, stand_in=""))
    assert words in said
    assert snapshot(folder) == before


@pytest.mark.parametrize("earlier", [False, True])
def test_a_run_that_fails_before_it_measured_changes_nothing(folder: Path, earlier: bool) -> None:
    if earlier:
        said_by(folder)
    before = snapshot(folder)
    env = environment(folder, stand_in="unable")
    done = run(folder, "run", TINY, env=env)
    assert done.returncode == 3, done.stderr
    assert "no network today" in done.stderr
    assert snapshot(folder) == before


def test_a_run_that_fails_later_is_kept_beside_the_earlier(folder: Path) -> None:
    said_by(folder)
    done = run(folder, "run", TINY, env=environment(folder, stand_in="raise"))
    assert done.returncode == 3, done.stderr
    reports = folder / "reports"
    assert result_in(reports / "tiny")["status"] == "partial"
    assert (reports / "tiny" / "run.log").exists()
    assert not (reports / "tiny" / "report.html").exists()
    assert result_in(reports / "tiny-2")["status"] == "complete"
    assert (reports / "tiny-2" / "report.html").exists()


def snapshot(folder: Path) -> dict[str, bytes]:
    """The files of all reports, and their folders."""
    paths = folder.glob("reports/**/*")
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in paths}


def test_two_runs_at_once(folder: Path) -> None:
    env = environment(folder, stand_in="")
    with Running(folder, "run", TINY, *ENDLESS, env=env) as running:
        running.wait_until_said("step 1/")
        said = refused(folder, "run", TINY, env=env)
        assert "reports/tiny is in use by another run" in said
        assert "--name" in said
        done = run(folder, "run", TINY, "--name", "other", env=env)
        assert done.returncode == 0, done.stderr
    with (folder / "reports" / "tiny" / ".lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)  # fails where the killed run still holds it
    assert said_by(folder) == "report: reports/tiny", "a killed run locks nobody out"
    assert not (folder / "reports" / "tiny" / "running.log").exists()


def test_list(folder: Path) -> None:
    assert "no reports" in run(folder, "list").stdout
    for seed in ("2", "3"):
        said_by(folder, "-s", f"seed={seed}")
    reports = folder / "reports"
    (reports / "bad").mkdir()
    (reports / "bad" / "result.json").write_text('{"name": "bad"')
    (reports / "empty").mkdir()
    (reports / "lost").mkdir()
    (reports / "lost" / "record.npz").write_text("")
    for name, age in (("tiny", 0), ("tiny-2", 60), ("bad", 120), ("lost", 180)):
        file = reports / name / ("result.json" if name == "bad" else "record.npz")
        os.utime(file, (time.time() - age,) * 2)
    done = run(folder, "list", "--format", "json")
    assert (done.returncode, done.stderr) == (0, "")
    listed = json.loads(done.stdout)["reports"]
    assert [item["folder"] for item in listed] == [
        f"reports/{name}" for name in ("tiny", "tiny-2", "bad", "lost")
    ]
    assert [item["overrides"] for item in listed[:2]] == [["seed=3"], ["seed=2"]]
    assert [bool(item["damage"]) for item in listed] == [False, False, True, True]
    assert (listed[0]["name"], listed[0]["steps"], listed[0]["accuracy"]) == ("tiny", 5, 0.5)
    shown = run(folder, "list").stdout
    assert [line.count("damaged") for line in shown.splitlines()] == [0, 0, 0, 1, 1]
    assert "seed=3" in shown


def test_at_init(folder: Path) -> None:
    said_by(folder, "--at-init", "-s", "training.steps=100000")
    result = result_in(folder / "reports" / "tiny")
    assert result["training"]["outcome"] == "made up"
    assert (result["status"], result["training"]["steps_done"]) == ("complete", 1)
    assert result["verdict"] == "warning"
    done = run(folder, "run", TINY, "--at-init", env=environment(folder, stand_in="vanish"))
    assert result_in(folder / "reports" / "tiny")["verdict"] == "unhealthy", done.stderr
