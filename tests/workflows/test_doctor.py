"""What the doctor makes of three measurements; what the workers train is a stand-in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from gradscope.cli.main import cli
from gradscope.errors import CouldNotMeasure, ExitCode
from gradscope.record import RunRecord
from gradscope.reporters.doctor import DoctorReport
from gradscope.workflows import doctor
from gradscope.workflows.measuring.engine import Measurement, Watch, Workers, ignore_event
from gradscope.workflows.measuring.inputs import load_config
from tests.analyzer.synthetic import record
from tests.cli.running import environment, run, write_tiny

CONFIG = load_config(
    {"model": {"depth": 5, "width": 8}, "data": {"name": "gaussian"}, "threads": 1, "seed": 7}
)


def examined(monkeypatch: pytest.MonkeyPatch, *, differ: bool) -> DoctorReport:
    """Examine with made-up records: of two alike, one's loss differs; other threads, other rms."""
    calls: list[Measurement] = []
    numbers = itertools.count()

    def measure(
        self: Workers, wanted: Measurement, watch: Watch = ignore_event
    ) -> Iterator[RunRecord]:
        first = next(numbers) == 0
        calls.append(wanted)
        threads = wanted.config.threads
        made = record(signal=1.0 if threads == 1 else 1.01)
        loss = made.scalars["loss"].copy()
        loss[-1] = np.nextafter(loss[-1], 9.0) if differ and first else loss[-1]
        made = replace(made, scalars={**made.scalars, "loss": loss})
        for seed in (*wanted.seeds.trained, *wanted.seeds.initial):
            yield replace(made, environment=replace(made.environment, seed=seed, threads=threads))

    monkeypatch.setattr(Workers, "measure", measure)
    report = doctor.examine(CONFIG, Workers(deterministic=True))
    assert sorted(call.config.threads for call in calls) == [1, 1, 2]
    assert {(call.seeds.trained, call.seeds.initial) for call in calls} == {((7,), (8,))}
    return report


def test_the_last_bit_of_one_loss(monkeypatch: pytest.MonkeyPatch) -> None:
    assert examined(monkeypatch, differ=False).repeats
    assert not examined(monkeypatch, differ=True).repeats


def test_other_threads_are_compared_by_second_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    report = examined(monkeypatch, differ=False)
    assert report.other_threads == 2
    assert report.drift.first_step == pytest.approx(2 * math.log(1.01))


def test_different_bytes_are_shown_and_then_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = examined(monkeypatch, differ=True)
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(doctor, "examine", lambda config, engine: report)
    with (
        cli.make_context("gradscope", ["doctor"]) as context,
        pytest.raises(CouldNotMeasure, match="different bytes") as caught,
    ):
        cli.invoke(context)
    assert caught.value.exit_code == ExitCode.COULD_NOT_MEASURE
    assert "gave different bytes (sha256 " in capsys.readouterr().out


@pytest.mark.tensorflow
def test_the_command(tmp_path: Path) -> None:
    write_tiny(tmp_path)
    env = environment(tmp_path, stand_in="", TF_XLA_FLAGS="x")
    done = run(tmp_path, "doctor", "tiny.yaml", "-s", "threads=1", env=env)
    assert (done.returncode, done.stderr) == (0, "measuring tiny in three processes ...\n")
    assert "two processes, tiny, 5 steps and 2 seeds: gave the same bytes" in done.stdout
    assert "set in your shell, kept from the worker: TF_XLA_FLAGS" in done.stdout
    refused = run(tmp_path, "doctor", "tiny.yaml", "-s", "data.samples=0", env=env)
    assert (refused.returncode, refused.stdout) == (2, "")
    failed = run(tmp_path, "doctor", "tiny.yaml", env=environment(tmp_path, stand_in="raise"))
    assert (failed.returncode, failed.stdout) == (3, "")
    assert "the measurement failed with RuntimeError" in failed.stderr
