"""The exit codes of runs, each from processes of its own; what the worker trains is a stand-in."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from tests.cli.forking import refused, run
from tests.cli.running import environment, result_in, shell, write_tiny

pytestmark = pytest.mark.tensorflow

TINY = "tiny.yaml"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with reports/tiny, whose gradient vanishes, made by `run` without --exit-code."""
    folder = tmp_path_factory.mktemp("measured")
    write_tiny(folder)
    done = run(folder, "run", TINY, env=environment(folder, stand_in="vanish"))
    assert done.returncode == 0, done.stderr
    assert "UNHEALTHY" in done.stdout
    return folder


def test_run_tells_the_verdict_and_exits_0(measured: Path) -> None:
    result = result_in(measured / "reports" / "tiny")
    assert (result["status"], result["exit_code"], result["verdict"]) == (
        "complete",
        0,
        "unhealthy",
    )
    log = (measured / "reports" / "tiny" / "run.log").read_text()
    assert log == "noise on the worker's stdout\nnoise on the worker's stderr\n"


@pytest.mark.parametrize("command", [("check",), ("run", "--exit-code")])
@pytest.mark.parametrize(
    ("kind", "code", "state"), [("vanish", 1, "unhealthy"), ("", 4, "inconclusive")]
)
def test_gate(folder: Path, command: tuple[str, ...], kind: str, code: int, state: str) -> None:
    """Five steps are too few to call a network healthy."""
    env = environment(folder, stand_in=kind)
    done = run(folder, *command, TINY, "--quiet", env=env)
    assert (done.returncode, done.stderr) == (code, "")
    name = "tiny.check" if command == ("check",) else "tiny"
    result = result_in(folder / "reports" / name)
    assert (result["status"], result["exit_code"]) == ("complete", code)
    assert result["verdict"] == state


def test_report_repeats_the_verdict(measured: Path) -> None:
    shown = run(measured, "report", "reports/tiny")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "UNHEALTHY" in shown.stdout
    assert run(measured, "report", "reports/tiny", "--exit-code").returncode == 1


def test_a_reader_who_leaves_keeps_the_verdict(measured: Path) -> None:
    """``| head -1`` closes the pipe: no traceback, and the code is still the verdict's."""
    line = "$GRADSCOPE report reports/tiny --exit-code; echo code $? >&2"
    done = shell(measured, f"{{ {line}; }} | true", environment(measured))
    assert done.stderr == "code 1\n"
    first = shell(measured, f"{{ {line}; }} | head -1", environment(measured))
    assert "UNHEALTHY" in first.stdout
    assert first.stderr == "code 1\n"
    gone = shell(measured, "{ $GRADSCOPE --help; echo code $? >&2; } | true", environment(measured))
    assert gone.stderr == "code 0\n"


def test_a_reader_of_the_progress_who_leaves_does_not_stop_the_run(folder: Path) -> None:
    line = "{ $GRADSCOPE check tiny.yaml 2>&1; echo $? > code; } | true"
    shell(folder, line, environment(folder, stand_in="vanish"))
    assert (folder / "code").read_text() == "1\n"
    assert result_in(folder / "reports" / "tiny.check")["exit_code"] == 1


@pytest.mark.parametrize("where", [">/dev/full", ">&-"])
def test_a_result_that_cannot_be_written_is_no_verdict(measured: Path, where: str) -> None:
    if where == ">/dev/full" and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    for command in ("report reports/tiny --exit-code", "--help"):
        done = shell(measured, f"$GRADSCOPE {command} {where}", environment(measured))
        assert done.returncode == 3, done.stderr
        assert "write" in done.stderr
        assert "to stdout: " in done.stderr
        assert "Traceback" not in done.stderr
        assert "bug" not in done.stderr


@pytest.mark.parametrize("where", ["2>&-", "2>/dev/full", "<&-", "<&- 2>&-"])
def test_streams_that_are_not_needed(folder: Path, where: str) -> None:
    if "full" in where and not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    env = environment(folder, stand_in="vanish")
    done = shell(folder, f"$GRADSCOPE check tiny.yaml {where}", env)
    assert done.returncode == 1, done.stderr
    assert "FAILED" in done.stdout
    assert result_in(folder / "reports" / "tiny.check")["exit_code"] == 1


def test_a_check_replaces_the_report_of_another_config(folder: Path) -> None:
    env = environment(folder, stand_in="")
    assert run(folder, "check", TINY, "-o", "here", env=env).returncode == 4
    assert run(folder, "check", TINY, "-s", "seed=2", "-o", "here", env=env).returncode == 4
    assert result_in(folder / "here")["config"]["seed"] == 2


def test_folder_in_use(folder: Path) -> None:
    (folder / "here").mkdir()
    lock = folder / "here" / ".lock"
    with lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        for _ in range(2):  # being refused must not free the folder for the next one
            said = refused(folder, "run", TINY, "-o", "here", env=environment(folder, stand_in=""))
            assert "in use" in said
            assert lock.exists()
    done = run(folder, "run", TINY, "-o", "here", env=environment(folder, stand_in=""))
    assert done.returncode == 0, "a lock file without a holder locks nobody out"
    assert not lock.exists()
