"""The whole road with a real worker: a few runs, each asked many questions."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gradscope import load_record
from tests.cli.running import (
    ENDLESS,
    Running,
    environment,
    result_in,
    run,
    shell,
    strict_json,
    workers,
    write_tiny,
)

pytestmark = pytest.mark.tensorflow

SECONDS = 3.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tensorflow")
    write_tiny(folder)
    return folder


@pytest.fixture(scope="module")
def clean(folder: Path) -> dict[str, Any]:
    """The result of a short run in a clean environment, as it came on stdout."""
    done = run(folder, "run", "tiny.yaml", "--format", "json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    written = (folder / "reports" / "tiny" / "result.json").read_text(encoding="utf-8")
    assert done.stdout == written
    return strict_json(done.stdout)


def test_a_complete_run(folder: Path, clean: dict[str, Any]) -> None:
    assert (clean["status"], clean["exit_code"], clean["verdict"]) == (
        "complete",
        0,
        "inconclusive",
    )
    assert clean["statistics"]["steps"] == [0, 1, 2, 3, 4, 5]
    names = {path.name for path in (folder / "reports" / "tiny").iterdir()}
    assert {"record.npz", "result.json", "report.html", "run.log", "loss.png"} <= names
    assert not names & {".lock"}
    assert list(folder.glob("gradscope-*")) == [], "no temporary folder is left"


def test_a_foreign_environment_changes_nothing(folder: Path, clean: dict[str, Any]) -> None:
    """Neither what Keras and TensorFlow read from outside, nor files here that look like them."""
    (folder / "home").mkdir()
    (folder / "home" / "keras.json").write_text(
        '{"floatx": "float16", "epsilon": 0.1, "backend": "jax"}', encoding="utf-8"
    )
    for name in ("tensorflow.py", "keras.py"):
        (folder / name).write_text("raise ImportError('the wrong one')\n")
    env = environment(
        folder,
        KERAS_BACKEND="jax",
        KERAS_HOME=str(folder / "home"),
        KERAS_MAX_EPOCHS="1",
        TF_USE_LEGACY_KERAS="1",
        TF_ENABLE_ONEDNN_OPTS="1",
        XLA_FLAGS="--nosuchflag",
        TF_XLA_FLAGS="--nosuchflag",
        MPLBACKEND="nosuch",
        PYTHONHASHSEED="7",
        PYTHONIOENCODING="ascii",
        COLUMNS="abc",
        TERM="dumb",
        NO_COLOR="1",
    )
    env.pop("HOME", None)
    done = shell(folder, "$GRADSCOPE run tiny.yaml -o foreign <&-", env)
    assert done.returncode == 0, done.stderr
    assert "? INCONCLUSIVE  tiny" in done.stdout
    assert done.stdout.isascii()
    said = done.stderr.splitlines()
    assert said[:2] == ["importing TensorFlow ...", "building the network ..."]
    assert said[2].startswith("device: ")
    assert all(line.startswith("step ") for line in said[3:-1]), "nothing of TensorFlow's own"
    assert said[-1] == "report: foreign"
    assert said[-2].startswith("step 5/5")
    result = result_in(folder / "foreign")
    del result["timing"], clean["timing"]
    assert result == clean


def test_unhealthy_is_1_even_when_nobody_reads(folder: Path) -> None:
    line = (
        "{ $GRADSCOPE check tiny.yaml -q -o sick -s model.depth=12 -s model.activation=sigmoid "
        "-s model.initializer=glorot_uniform; echo code $? >&2; } | true"
    )
    assert shell(folder, line, environment(folder)).stderr == "code 1\n"
    result = result_in(folder / "sick")
    assert (result["status"], result["exit_code"], result["verdict"]) == (
        "complete",
        1,
        "unhealthy",
    )
    assert "GS101" in {verdict["code"] for verdict in result["verdicts"] if verdict["layers"]}


def test_a_gpu_that_is_not_there(folder: Path) -> None:
    done = run(
        folder,
        *("run", "tiny.yaml", "-q", "-o", "gpu", "-s", "device=gpu"),
        env=environment(folder, CUDA_VISIBLE_DEVICES="-1"),
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("gradscope: device: gpu was asked for")
    assert "device: cpu" in done.stderr
    assert not (folder / "gpu" / "result.json").exists()


@contextmanager
def endless(folder: Path, name: str) -> Iterator[Running]:
    place = folder / f"in {name}"
    place.mkdir()
    write_tiny(place)
    with Running(place, "run", "tiny.yaml", *ENDLESS, env=environment(place)) as running:
        yield running


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize(
    ("number", "code"),
    [
        (signal.SIGINT, 130),
        # `test_ends.py` sends it to a run with a stand-in of TensorFlow.
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.long("a second signal, 7 s")),
    ],
)
def test_stopped_while_it_trains(folder: Path, number: signal.Signals, code: int) -> None:
    with endless(folder, number.name) as running:
        running.wait_until_said("step 1/")
        worker = running.worker()
        assert running.signal(number) < SECONDS
        assert running.process.returncode == code
        assert worker not in [pid for pid, _ in workers()]
        assert "Traceback" not in running.stderr
    kept = folder / f"in {number.name}" / "reports" / "tiny"
    record = load_record(kept)
    assert record.outcome.status == "partial"
    assert record.outcome.steps_done >= 1
    result = result_in(kept)
    assert (result["status"], result["exit_code"]) == ("partial", code)
    assert result["verdict"] == "inconclusive"
