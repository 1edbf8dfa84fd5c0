"""Real workers: figures to the last bit, a killed worker, Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import gradscope
from gradscope.record import RunRecord, storage
from gradscope.record.sweep_table import Look, SweepTable, load_sweep
from gradscope.workflows.sweep.jobs import Job
from gradscope.workflows.sweep.local_workers import LocalWorkers
from gradscope.workflows.sweep.sweep import load_plan
from tests.cli.running import default_signals

pytestmark = pytest.mark.tensorflow

CONFIG: dict[str, Any] = {
    "name": "trial",
    "model": {"depth": 3, "width": 10, "activation": "relu", "batch_norm": "before_activation"},
    "data": {"name": "gaussian"},
    "training": {"steps": 12, "probe_samples": 64, "optimizer": "adam", "learning_rate": 0.01},
    "sweep": {
        "axes": {
            "model.initializer": ["he_normal", "orthogonal"],
            "training.learning_rate": [0.01, 0.1],
            "model.dropout": [0.0, 0.2],
        },
        "seeds": 1,
    },
}


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> SweepTable:
    return gradscope.sweep(CONFIG, output=tmp_path_factory.mktemp("sweep") / "s", workers=1)


def test_every_member_has_the_bits_of_a_run_of_its_own(
    table: SweepTable, tensorflow_once: Any
) -> None:
    """Members share a network with others; a run builds its own."""
    assert len(table.rows) == 8
    plan = load_plan(CONFIG)
    assert table.folder is not None
    for position in (0, 7):
        row, member = table.rows[position], plan.members[position]
        record = storage.load(table.folder / row.text("record"))
        (alone,) = gradscope.run_seeds(member.config, [member.seed])
        _assert_equal(record, alone)
        assert row.number("test_accuracy") == alone.evaluation["test_accuracy"]
        assert row.number("initial_loss") == alone.scalars["loss"][0]


def _assert_equal(one: RunRecord, other: RunRecord) -> None:
    for name, values in one.series.items():
        np.testing.assert_array_equal(values, other.series[name], err_msg=name)
    for name, values in one.scalars.items():
        np.testing.assert_array_equal(values, other.scalars[name], err_msg=name)
    for name in ("layers", "initial_weights", "data", "config", "answers", "objective_start"):
        assert repr(getattr(one, name)) == repr(getattr(other, name)), name
    assert one.environment == other.environment
    assert one.evaluation == other.evaluation
    for name, histogram in one.histograms.items():
        np.testing.assert_array_equal(histogram.counts, other.histograms[name].counts)


def test_theory_stands_beside_what_was_measured(table: SweepTable) -> None:
    """With batch norm before a ReLU the gradient grows by about sqrt(pi / (pi - 1)) per layer."""
    for row in table.rows:
        assert row.number("theory_delta_per_layer") > 1.0
        assert row.number("init_delta_per_layer") == pytest.approx(
            row.number("theory_delta_per_layer"), rel=0.5
        )


def test_a_killed_worker_loses_one_member_which_is_tried_again() -> None:
    plan = load_plan(CONFIG | {"training": CONFIG["training"] | {"steps": 400}})
    config = plan.members[0].config
    job = Job("one", config.to_dict(), str(Look.TRAINED), "graph", "process")
    workers = LocalWorkers(1)
    try:
        future = workers.submit(job)
        killed = _kill_worker(set())
        second = workers.submit(job)
        result = future.result(timeout=180)
        assert result.code == 0
        assert result.cells["status"] == "complete"
        assert second.result(timeout=60).cells["test_accuracy"] == result.cells["test_accuracy"]
        assert killed
    finally:
        workers.close()


def test_a_member_whose_worker_always_dies_is_a_failed_row() -> None:
    config = load_plan(CONFIG).members[0].config
    job = Job("one", config.to_dict(), str(Look.TRAINED), "graph", "process")
    workers = LocalWorkers(1)
    try:
        future = workers.submit(job)
        killed = _kill_worker(set())
        _kill_worker(killed)
        result = future.result(timeout=180)
        assert result.code == 3
        assert "killed by SIGKILL" in str(result.cells["reason"])
        assert "tried 2 times" in str(result.cells["reason"])
    finally:
        workers.close()


def _kill_worker(known: set[int]) -> set[int]:
    """Kill the worker process of this one that is not `known`, once there is one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        new = _workers() - known
        if new:
            for process in new:
                os.kill(process, signal.SIGKILL)
            return known | new
        threading.Event().wait(0.05)
    raise AssertionError("no worker was started")


def _workers() -> set[int]:
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            command = (path / "cmdline").read_bytes()
        except (OSError, ValueError):
            continue
        if parent == os.getpid() and b"gradscope.workflows.sweep.worker" in command:
            found.add(int(path.name))
    return found


HELD = """
import pathlib, threading, keras

def build(held):
    while held and not pathlib.Path("go").exists():
        threading.Event().wait(0.05)
    layers = [keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")]
    return keras.Sequential([keras.Input((16,)), *layers])
"""
"""A factory of which half of the members wait until there is a file."""


def test_ctrl_c_leaves_a_valid_table_and_the_same_command_goes_on(tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text(HELD)
    path = tmp_path / "trial.json"
    model = {"factory": "held:build", "arguments": {"held": False}}
    data = {"name": "gaussian", "features": 16, "classes": 2}
    sweep = {"axes": {"model.arguments.held": [False, True]}, "seeds": 3}
    path.write_text(json.dumps(CONFIG | {"model": model, "data": data, "sweep": sweep}))
    command = [sys.executable, "-m", "gradscope", "sweep", str(path), "-o", str(tmp_path / "s")]
    with default_signals():  # a background job of a script ignores SIGINT
        process = subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=tmp_path
        )
    members = tmp_path / "s" / "members"
    deadline = time.monotonic() + 120
    try:
        while not list(members.glob("*.json")) and time.monotonic() < deadline:
            assert process.poll() is None
            threading.Event().wait(0.05)
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 130, told
    statuses = [row.text("status") for row in load_sweep(tmp_path / "s").rows]
    done = statuses.count("complete")
    assert 0 < done <= 3
    assert statuses.count("pending") == 6 - done
    (tmp_path / "go").touch()
    finished = subprocess.run(
        [*command, "--workers", "1"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        timeout=280,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    assert f"{done} of 6 members were finished earlier" in finished.stderr
    assert len(load_sweep(tmp_path / "s").rows) == 6
