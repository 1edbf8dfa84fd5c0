"""Ray and Slurm: the local figures to the last bit, and a worker killed in the middle.

Skipped where ray or submitit is not installed: `pip install 'gradscope-keras[ray,slurm]'`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gradscope.errors import BadRequest
from gradscope.record import storage
from gradscope.record.sweep_table import Look, SweepTable
from gradscope.workflows.sweep import slurm_jobs
from gradscope.workflows.sweep.command import engine_named
from gradscope.workflows.sweep.jobs import Job
from gradscope.workflows.sweep.store import SweepFolder
from gradscope.workflows.sweep.sweep import load_plan, measure_sweep

pytestmark = pytest.mark.tensorflow

CONFIG: dict[str, Any] = {
    "name": "trial",
    "model": {"depth": 3, "width": 10, "activation": "relu"},
    "data": {"name": "gaussian"},
    "training": {"steps": 12, "probe_samples": 64},
    "sweep": {"axes": {"model.depth": [2, 3], "model.initializer": ["he_normal", "orthogonal"]}},
}


def measured(engine: str, path: Path, *, steps: int = 12) -> SweepTable:
    plan = load_plan(CONFIG, [f"training.steps={steps}"])
    folder = SweepFolder(path)
    with folder.claimed():
        return measure_sweep(
            plan,
            engine_named(engine, 2, None),
            folder,
            look=Look.TRAINED,
            members=plan.members,
        )


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> SweepTable:
    return measured("local", tmp_path_factory.mktemp("local") / "s")


def assert_same_figures(one: SweepTable, other: SweepTable) -> None:
    assert len(one.rows) == len(other.rows) == 4
    for first, second in zip(one.rows, other.rows, strict=True):
        assert {**first.cells, "seconds": 0} == {**second.cells, "seconds": 0}
        assert one.folder is not None
        assert other.folder is not None
        records = [
            storage.load(table.folder / first.text("record"))  # type: ignore[operator]
            for table in (one, other)
        ]
        parts = [storage.dumps(replace(record, seconds=0.0)) for record in records]
        assert parts[0] == parts[1]


@pytest.fixture(scope="module")
def two_nodes() -> Iterator[Any]:
    pytest.importorskip("ray", reason="ray is not installed")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        yield ray
        ray.shutdown()
        cluster.shutdown()


@pytest.mark.filterwarnings("ignore")
def test_ray_on_two_nodes_gives_the_local_figures(
    two_nodes: Any, local: SweepTable, tmp_path: Path
) -> None:
    assert len([node for node in two_nodes.nodes() if node["Alive"]]) == 2
    assert_same_figures(local, measured("ray", tmp_path / "s"))


@pytest.mark.filterwarnings("ignore")
def test_a_worker_killed_on_ray_loses_nothing(two_nodes: Any, tmp_path: Path) -> None:
    killed: list[int] = []
    thread = threading.Thread(target=_kill_one, args=(killed,), daemon=True)
    thread.start()
    table = measured("ray", tmp_path / "s", steps=200)
    thread.join()
    assert killed
    assert [row.text("status") for row in table.rows] == ["complete"] * 4


def _kill_one(killed: list[int]) -> None:
    """Kill the first worker process of a sweep that there is on this machine, in its work."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not killed:
        for path in Path("/proc").glob("[0-9]*"):
            try:
                command = (path / "cmdline").read_bytes()
                name = (Path("/proc") / _parent(path) / "cmdline").read_bytes()
            except (OSError, ValueError, IndexError):
                continue
            if b"gradscope.workflows.sweep.worker" in command and name.startswith(b"ray::"):
                threading.Event().wait(3.0)
                os.kill(int(path.name), signal.SIGKILL)
                killed.append(int(path.name))
                return
        threading.Event().wait(0.1)


def _parent(path: Path) -> str:
    return (path / "stat").read_text().rpartition(")")[2].split()[1]


@pytest.mark.filterwarnings("ignore")
def test_submitit_gives_the_local_figures(
    local: SweepTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    monkeypatch.chdir(tmp_path)
    assert_same_figures(local, measured("slurm:local", tmp_path / "s"))
    assert not list(tmp_path.glob(".gradscope-slurm-*"))


@pytest.mark.parametrize("engine", ["slurm", "slurm:local,no_such_parameter=1"])
def test_what_submitit_refuses_is_a_bad_request_and_leaves_no_folder(
    engine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit", reason="submitit is not installed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", "")  # no srun
    with pytest.raises(BadRequest, match="submitit refuses"):
        engine_named(engine, 2, None)
    assert list(tmp_path.iterdir()) == []


def test_chunks_keep_members_of_one_graph_together() -> None:
    jobs = [Job(str(i), {}, "trained", f"graph {i % 3}", "p") for i in range(12)]
    parts = slurm_jobs.chunks(jobs, 3)
    assert [{job.graph for job in part} for part in parts] == [{f"graph {i}"} for i in range(3)]
    assert sum(map(len, slurm_jobs.chunks(jobs, 5))) == 12
    assert len(slurm_jobs.chunks(jobs, 5)) <= 5
