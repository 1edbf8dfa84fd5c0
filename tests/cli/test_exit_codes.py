"""The exit codes of commands that start no worker, each from a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.running import environment, refused, run, write_tiny

TINY = "tiny.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


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
        (("rum",), ("'rum'", "did you mean run?", "gradscope --help")),
        (("run",), ("CONFIG", "gradscope run --help")),
        (("run", TINY, "--outptu", "x"), ("--outptu", "--output")),
        (("run", TINY, "--format", "xml"), ("'xml'", "text", "json")),
        (("run", TINY, "surplus"), ("surplus",)),
        ((), ("Usage:", "Commands:")),
    ],
)
def test_usage(folder: Path, arguments: tuple[str, ...], expected: tuple[str, ...]) -> None:
    said = refused(folder, *arguments)
    for words in expected:
        assert words in said


def test_bad_config_lists_every_mistake_with_its_place(folder: Path) -> None:
    (folder / "bad.yaml").write_text(
        "model: {depth: 0, widht: 3}\ndata: {name: gausian}\ntraining: {steps: 1.5}\nsede: 1\n"
    )
    said = refused(folder, "run", "bad.yaml", "-s", "device=tpu").splitlines()
    starts = ["-s device=tpu: error: device:"]
    starts += [f"bad.yaml:{place}: error: " for place in ("1:16", "1:19", "2:14", "3:19", "5:1")]
    assert len(said) == len(starts), said
    for key in ("model.depth", "widht", "gausian", "training.steps", "sede", "device"):
        assert any(key in line for line in said), key
    assert "did you mean 'width'?" in "\n".join(said)
    assert not (folder / "reports").exists()


def test_missing_files(folder: Path) -> None:
    assert "did you mean 'tiny.yaml'?" in refused(folder, "run", "tinny.yaml")
    assert "gradscope run" in refused(folder, "report", "nowhere")


def test_bad_data_names_the_row(folder: Path) -> None:
    rows = "\n".join(f"{i},{i % 3},{i % 2}" for i in range(40))
    (folder / "data.csv").write_text(f"a,b,label\n{rows}\nnan,1,0\n")
    (folder / "csv.yaml").write_text(
        "model: {depth: 2, width: 8}\ndata: {name: csv, path: data.csv, label: label}\n"
    )
    said = refused(folder, "run", "csv.yaml", env=environment(folder, stand_in=""))
    assert "42" in said, said
    assert "importing TensorFlow" not in said
    assert not (folder / "reports").exists()


def test_output_that_cannot_be_a_folder(folder: Path) -> None:
    (folder / "file").write_text("")
    said = refused(folder, "run", TINY, "-o", "file/deeper", env=environment(folder, stand_in=""))
    assert "file/deeper" in said
    assert "--output" in said


def run_broken(folder: Path, body: str) -> subprocess.CompletedProcess[str]:
    """Run `gradscope explain` with `body` in place of what it calls."""
    program = (
        "import os, signal, sys, gradscope.api\n"
        "from gradscope.cli.main import main\n"
        f"def broken():\n    {body}\n"
        "gradscope.api.list_detectors = broken\n"
        "sys.argv = ['gradscope', 'explain']\n"
        "main()\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


def test_a_bug_is_one_line_and_a_file(folder: Path) -> None:
    done = run_broken(folder, "raise ZeroDivisionError('on purpose\\nand on')")
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
def test_other_ends(folder: Path, body: str, code: int, said: str) -> None:
    done = run_broken(folder, body)
    assert (done.returncode, done.stdout) == (code, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
