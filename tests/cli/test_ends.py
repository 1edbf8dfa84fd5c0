"""Runs that are stopped or whose processes die: the code, the time, and what is kept."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from gradscope import load_record
from tests.cli.forking import Forking
from tests.cli.running import (
    ENDLESS,
    Running,
    default_signals,
    environment,
    result_in,
    run,
    until,
    workers,
    write_tiny,
)

SECONDS = 3.0
"""From the signal to the end."""

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc"),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_tiny(tmp_path)
    return tmp_path


def endless(folder: Path, behaviour: str = "", *, inherit_signals: bool = False) -> Running:
    env = environment(folder, stand_in=behaviour)
    command = ("check", "tiny.yaml", *ENDLESS)
    return Running(folder, *command, env=env, inherit_signals=inherit_signals)


def expect_partial(folder: Path, code: int, words: str) -> None:
    """What a run that ended early leaves behind."""
    record = load_record(folder)
    assert record.outcome.status == "partial"
    assert record.outcome.steps_done == record.steps[-1] >= 1
    assert words in record.outcome.sentence
    result = result_in(folder)
    assert (result["status"], result["exit_code"]) == ("partial", code)
    assert result["verdict"] == "inconclusive"
    assert not (folder / "report.html").exists(), "no page of another run beside it"
    assert not (folder / ".lock").exists()


@pytest.mark.parametrize(
    ("signals", "code", "behaviour"),
    [
        ((signal.SIGINT,), 130, ""),
        ((signal.SIGINT, signal.SIGINT, signal.SIGTERM), 130, ""),
        ((signal.SIGTERM,), 143, "silent"),
        ((signal.SIGHUP,), 143, ""),
    ],
)
def test_stopped_while_it_trains(
    folder: Path, signals: tuple[int, ...], code: int, behaviour: str
) -> None:
    target = folder / "reports" / "tiny.check"
    target.mkdir(parents=True)
    (target / "report.html").write_text("of an earlier run")
    with endless(folder, behaviour) as running:
        running.wait_until_said("step 1/")
        worker = running.worker()
        assert running.signal(*signals) < SECONDS
        assert running.process.returncode == code
        name = signal.Signals(signals[0]).name
        assert f"gradscope: stopped by {name} after step " in running.stderr
        assert f"kept: {Path('reports/tiny.check/record.npz')}" in running.stderr
        assert "Traceback" not in running.stderr
    expect_partial(target, code, name)
    assert worker not in [pid for pid, _ in workers()]
    shown = run(folder, "report", "reports/tiny.check")
    assert shown.returncode == 4
    assert "INCONCLUSIVE" in shown.stdout


def test_nohup(folder: Path) -> None:
    with default_signals():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        running = endless(folder, inherit_signals=True)
    with running:
        running.wait_until_said("step 1/")
        assert running.signal(signal.SIGHUP, signal.SIGINT) < SECONDS
        assert running.process.returncode == 130, "SIGHUP was ignored, so SIGINT came first"


@pytest.fixture
def signals_ignored() -> Iterator[None]:
    """Ignore SIGINT and SIGHUP in this process, as `nohup COMMAND &` in a script does."""
    with default_signals():
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        yield


@pytest.mark.usefixtures("signals_ignored")
def test_a_job_in_the_background_of_a_script(folder: Path) -> None:
    """The shell's wish holds: Ctrl-C is for the job in the foreground."""
    with endless(folder, inherit_signals=True) as running:
        running.wait_until_said("step 1/")
        assert running.signal(signal.SIGINT, signal.SIGHUP, signal.SIGTERM) < SECONDS
        assert running.process.returncode == 143, running.stderr
        assert "stopped by SIGTERM" in running.stderr


@pytest.mark.usefixtures("signals_ignored")
def test_tests_in_the_background_of_a_script(folder: Path, tmp_path: Path) -> None:
    """The commands that the tests start take the signals, whatever this process does with them."""
    for number, code in ((signal.SIGINT, 130), (signal.SIGHUP, 143)):
        with endless(folder) as running:
            running.wait_until_said("step 1/")
            assert running.signal(number) < SECONDS
            assert running.process.returncode == code, running.stderr
    streams = tmp_path / "streams"
    streams.mkdir()
    forking = Forking(streams)
    done = forking.run(folder, "explain", first="os.kill(os.getpid(), signal.SIGINT)")
    forking.close()
    assert done.returncode == -signal.SIGINT, done.stderr


def test_worker_killed(folder: Path) -> None:
    with endless(folder) as running:
        running.wait_until_said("step 1/")
        os.kill(running.worker(), signal.SIGKILL)
        assert running.process.wait(SECONDS) == 3
        assert "gradscope: the worker was killed by SIGKILL (signal 9)\n" in running.stderr
        assert "memory" in running.stderr
        assert "Traceback" not in running.stderr
    expect_partial(folder / "reports" / "tiny.check", 3, "SIGKILL")


def test_parent_killed(folder: Path) -> None:
    with endless(folder, "silent") as running:  # it would not notice that nobody listens
        running.wait_until_said("step 1/")
        worker = running.worker()
        running.process.kill()
        until(lambda: worker not in [pid for pid, _ in workers()], "the worker is gone", SECONDS)
    again = run(folder, "check", "tiny.yaml", env=environment(folder, stand_in=""))
    assert again.returncode == 4, "measured: five steps are too few to call it healthy"


def test_stopped_before_the_first_step(folder: Path) -> None:
    """Nothing is measured yet, so nothing is claimed to be kept."""
    with Running(folder, "run", "tiny.yaml", env=environment(folder)) as running:
        running.wait_until_said("importing TensorFlow")
        assert running.signal(signal.SIGINT) < SECONDS
        assert running.process.returncode == 130
        assert running.stderr.splitlines()[1:] == [
            "gradscope: stopped by SIGINT before the first step"
        ]
    assert not (folder / "reports" / "tiny.check" / "record.npz").exists()
