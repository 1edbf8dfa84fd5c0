"""How a worker ends, and what its parent makes of it; the worker trains a stand-in."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import Any

import pytest

from gradscope import api
from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, CouldNotMeasure, GradscopeError, Interrupted
from gradscope.record.builder import RecordBuilder
from gradscope.runner.process import supervisor
from tests.cli.running import default_signals, environment, until, workers

BEFORE_TROUBLE = 3


@pytest.fixture
def config() -> ExperimentConfig:
    return api.load_config(
        {
            "name": "tiny",
            "model": {"depth": 2, "width": 8},
            "data": {"name": "gaussian", "samples": 64, "features": 8, "classes": 3},
            "training": {"steps": 5},
        }
    )


@pytest.fixture
def behave(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Say how the stand-in behaves."""

    def set_environment(behaviour: str) -> None:
        for name, value in environment(tmp_path, stand_in=behaviour).items():
            monkeypatch.setenv(name, value)

    return set_environment


def ignore(header: dict[str, Any], builder: RecordBuilder) -> None:
    del header, builder


def failure(config: ExperimentConfig, log: Path | None = None) -> CouldNotMeasure:
    """Measure with a worker that must fail after three steps."""
    with pytest.raises(CouldNotMeasure) as caught:
        supervisor.measure(config, ignore, log)
    error = caught.value
    assert error.exit_code == 3
    assert error.partial.outcome.status == "partial"
    assert error.partial.outcome.steps_done == BEFORE_TROUBLE
    assert error.partial.steps.tolist() == [0, 1, 2, 3]
    assert error.partial.outcome.sentence == error.message
    return error


@pytest.mark.tensorflow
def test_a_run_from_a_thread(config: ExperimentConfig, behave: Any, tmp_path: Path) -> None:
    """Signals cannot be caught there; a run is possible all the same."""
    behave("")
    log = tmp_path / "run.log"
    records: list[Any] = []
    events: list[str] = []
    thread = threading.Thread(
        target=lambda: records.append(
            supervisor.measure(config, lambda header, _: events.append(header["event"]), log)
        )
    )
    thread.start()
    thread.join()
    [record] = records
    assert record.outcome.status == "complete"
    assert record.steps.tolist() == [0, 1, 2, 3, 4, 5]
    assert events == ["phase", "phase", "begin", "note", *["step"] * 5, "end"]
    assert "noise on the worker's stdout" in log.read_text()
    assert list(tmp_path.glob("gradscope-*")) == [], "the worker's private home is gone"


@pytest.mark.tensorflow
@pytest.mark.parametrize(
    ("behaviour", "message", "remedy"),
    [
        ("abort", "the worker was killed by SIGABRT (signal 6)", "sitecustomize.py"),
        ("half", "the worker was killed by SIGKILL (signal 9)", "memory"),
        ("exit", "the worker ended with code 1 before it had a result", "noise on the worker"),
        ("raise", "the measurement failed with RuntimeError: the stand-in broke", "RuntimeError: "),
        ("memory", "the measurement failed with MemoryError", "smaller network"),
    ],
)
def test_a_worker_that_fails(
    config: ExperimentConfig, behave: Any, behaviour: str, message: str, remedy: str
) -> None:
    behave(behaviour)
    error = failure(config)
    assert error.message == message
    assert remedy in error.remedy
    assert workers_of_this_process() == []


@pytest.mark.tensorflow
def test_a_worker_that_refuses(config: ExperimentConfig, behave: Any) -> None:
    behave("refuse")
    with pytest.raises(BadRequest) as caught:
        supervisor.measure(config, ignore)
    assert (caught.value.message, caught.value.remedy) == ("the stand-in refuses", "ask another")


@pytest.mark.tensorflow
def test_what_was_sent_before_the_stop_is_kept(config: ExperimentConfig, behave: Any) -> None:
    behave("")

    def watch(header: dict[str, Any], builder: RecordBuilder) -> None:
        if builder.steps_done == 1:
            until(lambda: workers_of_this_process() == [], "the worker has said all")
            os.kill(os.getpid(), signal.SIGINT)

    with (
        default_signals(),
        pytest.raises(Interrupted, match="stopped by SIGINT after step 5") as caught,
    ):
        supervisor.measure(config, watch)
    assert caught.value.exit_code == 130
    assert caught.value.partial.outcome.steps_done == 5


@pytest.mark.tensorflow
def test_a_watcher_that_fails_is_not_taken_for_the_worker(
    config: ExperimentConfig, behave: Any
) -> None:
    behave("")

    def watch(header: dict[str, Any], builder: RecordBuilder) -> None:
        if builder.steps_done == 1:
            raise BrokenPipeError("the watcher's own")

    with pytest.raises(BrokenPipeError, match="the watcher's own"):
        supervisor.measure(config, watch)
    assert workers_of_this_process() == [], "the worker does not outlive it"


def test_the_environment_of_the_worker(
    config: ExperimentConfig, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What would change the figures stays outside; the device is shut off when cpu is asked for."""
    foreign = (
        "TF_USE_LEGACY_KERAS",
        "TF_XLA_FLAGS",
        "XLA_FLAGS",
        "KERAS_MAX_EPOCHS",
        "TF_DETERMINISTIC_OPS",
        "PYTHONSTARTUP",
        "PYTHONWARNINGS",
        "OMP_NUM_THREADS",
    )
    for name in (*foreign, "KERAS_BACKEND", "KERAS_HOME", "TF_ENABLE_ONEDNN_OPTS"):
        monkeypatch.setenv(name, "foreign")
    made = supervisor.worker_environment(config, str(tmp_path))
    assert not set(foreign) & set(made)
    assert "foreign" not in made.values()
    assert (made["KERAS_BACKEND"], made["KERAS_HOME"]) == ("tensorflow", str(tmp_path))
    assert "CUDA_VISIBLE_DEVICES" not in made or made["CUDA_VISIBLE_DEVICES"] != "-1"
    cpu = api.load_config({**_source(), "device": "cpu"})
    assert supervisor.worker_environment(cpu, str(tmp_path))["CUDA_VISIBLE_DEVICES"] == "-1"
    keras = api.load_config({**_source(), "data": {"name": "keras:mnist"}})
    assert supervisor.worker_environment(keras, str(tmp_path))["KERAS_HOME"] == "foreign"


def test_errors_carry_their_code() -> None:
    assert {kind.exit_code for kind in (GradscopeError, CouldNotMeasure)} == {3}
    assert BadRequest("").exit_code == 2


def _source() -> dict[str, Any]:
    return {"model": {"depth": 2, "width": 8}, "data": {"name": "gaussian"}}


def workers_of_this_process() -> list[int]:
    """Worker processes that still have this process as their parent."""
    return [pid for pid, parent in workers() if parent == os.getpid()]
