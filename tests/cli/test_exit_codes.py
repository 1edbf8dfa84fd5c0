"""The exit codes of commands that start no worker, each from a process of its own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.forking import Forking
from tests.cli.running import environment, run, write_tiny

TINY = "tiny.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def forking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forking]:
    process = Forking(tmp_path_factory.mktemp("forking"))
    yield process
    process.close()


def test_help_is_healthy(folder: Path) -> None:
    done = run(folder, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("check", "config", "explain", "report", "run", "schema", "validate"):
        assert f"\n  {command} " in done.stdout
    codes = "0 healthy, 1 unhealthy, 2 bad request, 3 could not measure, 4 inconclusive"
    assert codes in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("rum",), ("'rum'", "did you mean 'run'?", "gradscope --help")),
        (("run",), ("CONFIG", "gradscope run --help")),
        (("run", TINY, "--outptu", "x"), ("--outptu", "--output")),
        (("run", TINY, "--format", "xml"), ("'xml'", "text", "json")),
        (("run", TINY, "surplus"), ("surplus",)),
        ((), ("Usage:", "Commands:")),
    ],
)
def test_usage(
    folder: Path, forking: Forking, arguments: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    said = forking.refused(folder, *arguments)
    for words in expected:
        assert words in said


def test_bad_config_lists_every_mistake_with_its_place(folder: Path, forking: Forking) -> None:
    (folder / "bad.yaml").write_text(
        "model: {depth: 0, widht: 3}\ndata: {name: gausian}\ntraining: {steps: 1.5}\nsede: 1\n"
    )
    said = forking.refused(folder, "run", "bad.yaml", "-s", "device=tpu").splitlines()
    starts = ["-s device=tpu: error: device:"]
    starts += [f"bad.yaml:{place}: error: " for place in ("1:16", "1:19", "2:14", "3:19", "5:1")]
    assert len(said) == len(starts), said
    for key in ("model.depth", "widht", "gausian", "training.steps", "sede", "device"):
        assert any(key in line for line in said), key
    assert "did you mean 'width'?" in "\n".join(said)
    assert not (folder / "reports").exists()


def test_missing_files(folder: Path, forking: Forking) -> None:
    assert "did you mean 'tiny.yaml'?" in forking.refused(folder, "run", "tinny.yaml")
    assert "gradscope run" in forking.refused(folder, "report", "nowhere")


def test_bad_data_names_the_row(folder: Path, forking: Forking) -> None:
    rows = "\n".join(f"{i},{i % 3},{i % 2}" for i in range(40))
    (folder / "data.csv").write_text(f"a,b,label\n{rows}\nnan,1,0\n")
    (folder / "csv.yaml").write_text(
        "model: {depth: 2, width: 8}\ndata: {name: csv, path: data.csv, label: label}\n"
    )
    said = forking.refused(folder, "run", "csv.yaml", env=environment(folder, stand_in=""))
    assert "42" in said, said
    assert "importing TensorFlow" not in said
    assert not (folder / "reports").exists()


def test_output_that_cannot_be_a_folder(folder: Path, forking: Forking) -> None:
    (folder / "file").write_text("")
    alone = environment(folder, stand_in="")
    said = forking.refused(folder, "run", TINY, "-o", "file/deeper", env=alone)
    assert "file/deeper" in said
    assert "--output" in said


def run_broken(forking: Forking, folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run `gradscope explain` with `body` in place of what it calls."""
    break_it = f"def broken():\n    {body}\ngradscope.api.list_detectors = broken\n"
    return forking.run(folder, "explain", first=break_it)


def test_a_bug_is_one_line_and_a_file(folder: Path, forking: Forking) -> None:
    done = run_broken(forking, folder, "raise ZeroDivisionError('on purpose\\nand on')")
    assert (done.returncode, done.stdout) == (3, "")
    [kept] = folder.glob("gradscope-crash-*.txt")
    assert done.stderr == (
        "gradscope: this is a bug in gradscope (ZeroDivisionError: on purpose and on); "
        f"the traceback is in {kept}\n"
    )
    assert "in broken" in kept.read_text()


@pytest.mark.parametrize(
    ("body", "code", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGINT)", 130, "gradscope: interrupted\n"),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143, "gradscope: stopped by SIGTERM\n"),
        ("raise MemoryError", 3, "bug"),
        ("raise OSError(28, 'No space left on device', 'here')", 3, "here: No space left"),
    ],
)
def test_other_ends(folder: Path, forking: Forking, body: str, code: int, said: str) -> None:
    done = run_broken(forking, folder, body)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
