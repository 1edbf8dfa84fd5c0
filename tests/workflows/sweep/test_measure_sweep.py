"""Going on, failing, stopping and merging, with an engine that measures nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from gradscope.config.sweep.members import SweepPlan
from gradscope.errors import BadRequest, CouldNotMeasure, ExitCode, Interrupted
from gradscope.record.files import atomic
from gradscope.record.sweep_table import Look, SweepTable, load_sweep
from gradscope.workflows.sweep import command
from gradscope.workflows.sweep.jobs import Job, JobResult, failed_result
from gradscope.workflows.sweep.merge import merge
from gradscope.workflows.sweep.store import SweepFolder
from gradscope.workflows.sweep.sweep import exit_code, load_plan, measure_sweep, shard_of

CONFIG: dict[str, Any] = {
    "name": "trial",
    "model": {"depth": 3, "width": 8, "activation": "relu"},
    "data": {"name": "gaussian"},
    "sweep": {"axes": {"model.depth": [2, 3], "model.initializer": ["he_normal", "glorot_normal"]}},
}


def stand_in(job: Job) -> JobResult:
    """A result that tells the config it was made from."""
    depth = len(job.config["model"]["hidden_layers"])
    cells = {"status": "complete", "verdict": "healthy", "code": "", "test_accuracy": depth / 10}
    return JobResult(job.key, cells, record=b"record")


class Engine:
    """Measures at once, by a function; counts what it was asked."""

    def __init__(self, measure: Callable[[Job], JobResult] = stand_in) -> None:
        self.jobs: list[Job] = []
        self.measure = measure
        self.closed = False

    def submit(self, job: Job) -> Future[JobResult]:
        self.jobs.append(job)
        future: Future[JobResult] = Future()
        try:
            future.set_result(self.measure(job))
        except BaseException as error:
            future.set_exception(error)
        return future

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def plan() -> SweepPlan:
    return load_plan(CONFIG)


def measured(
    plan: SweepPlan, engine: Engine, path: Path, *, fresh: bool = False, **options: Any
) -> SweepTable:
    folder = SweepFolder(path)
    options = {"look": Look.TRAINED, "members": plan.members} | options
    with folder.claimed(fresh=fresh):
        return measure_sweep(plan, engine, folder, **options)


def test_the_same_sweep_measures_nothing_again(plan: SweepPlan, tmp_path: Path) -> None:
    first = measured(plan, Engine(), tmp_path / "s")
    again = Engine()
    assert measured(plan, again, tmp_path / "s").to_json() == first.to_json()
    assert again.jobs == []
    assert [row.number("test_accuracy") for row in first.rows] == [0.2, 0.2, 0.3, 0.3]
    assert (tmp_path / "s" / first.rows[0].text("record")).read_bytes() == b"record"


def test_fresh_measures_all_again_and_another_look_too(plan: SweepPlan, tmp_path: Path) -> None:
    measured(plan, Engine(), tmp_path / "s")
    fresh, shallow = Engine(), Engine()
    measured(plan, fresh, tmp_path / "s", fresh=True)
    measured(plan, shallow, tmp_path / "s", look=Look.AT_INIT)
    assert len(fresh.jobs) == len(shallow.jobs) == 4


def test_a_wider_sweep_measures_only_what_is_new(plan: SweepPlan, tmp_path: Path) -> None:
    measured(plan, Engine(), tmp_path / "s")
    wider, engine = load_plan(CONFIG, vary=["model.depth=1,2,3"]), Engine()
    table = measured(wider, engine, tmp_path / "s")
    assert len(engine.jobs) == 2
    assert [row.number("test_accuracy") for row in table.rows] == [0.1, 0.1, 0.2, 0.2, 0.3, 0.3]


def test_another_version_of_the_code_measures_again(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(plan, Engine(), tmp_path / "s")
    monkeypatch.setattr("gradscope.workflows.sweep.store.code_version", lambda: "other")
    engine = Engine()
    measured(plan, engine, tmp_path / "s")
    assert len(engine.jobs) == 4


def test_a_failed_member_is_a_row_with_its_reason_and_is_tried_again(
    plan: SweepPlan, tmp_path: Path
) -> None:
    def fails(job: Job) -> JobResult:
        deep = len(job.config["model"]["hidden_layers"]) == 3
        return failed_result(job.key, "no memory", 3) if deep else stand_in(job)

    table = measured(plan, Engine(fails), tmp_path / "s")
    assert [row.text("status") for row in table.rows] == ["complete"] * 2 + ["failed"] * 2
    assert table.rows[2].text("reason") == "no memory"
    assert exit_code(table, gate=False) == ExitCode.COULD_NOT_MEASURE
    again = Engine()
    assert exit_code(measured(plan, again, tmp_path / "s"), gate=False) == 0
    assert len(again.jobs) == 2


def test_a_signal_leaves_the_table_with_what_is_there(plan: SweepPlan, tmp_path: Path) -> None:
    stop: list[int] = []

    def interrupted(job: Job) -> JobResult:
        if len(engine.jobs) == 3:
            stop.append(2)
        return stand_in(job)

    engine = Engine(interrupted)

    def watch(progress: Any) -> None:
        if progress.done == 2:
            stop.append(2)

    with pytest.raises(Interrupted) as caught:
        measured(plan, engine, tmp_path / "s", stop=stop, watch=watch)
    assert caught.value.exit_code == 130
    assert engine.closed
    table = load_sweep(tmp_path / "s")
    statuses = [row.text("status") for row in table.rows]
    assert len(statuses) == 4
    assert set(statuses) <= {"complete", "pending"}
    assert "the same command goes on" in caught.value.remedy
    # What was kept is not measured again.
    rest = Engine()
    measured(plan, rest, tmp_path / "s")
    assert len(rest.jobs) == statuses.count("pending")


def test_a_full_disk_ends_the_sweep_and_loses_no_finished_member(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = atomic.write, []

    def full(path: Path, content: bytes) -> None:
        if path.suffix == ".npz":
            written.append(path)
            if len(written) > 2:
                raise CouldNotMeasure("no space left on device")
        write(path, content)

    monkeypatch.setattr(atomic, "write", full)
    engine = Engine()
    with pytest.raises(CouldNotMeasure, match="no space"):
        measured(plan, engine, tmp_path / "s")
    assert engine.closed
    monkeypatch.undo()
    statuses = [row.text("status") for row in load_sweep(tmp_path / "s").rows]
    assert sorted(statuses) == ["complete", "complete", "pending", "pending"]


def test_members_of_equal_configs_are_measured_once(tmp_path: Path) -> None:
    twice = load_plan(CONFIG | {"sweep": {"axes": {"model.depth": [2, 2, 3]}}})
    engine = Engine()
    table = measured(twice, engine, tmp_path / "s")
    assert len(engine.jobs) == 2
    assert [row.number("test_accuracy") for row in table.rows] == [0.2, 0.2, 0.3]


def test_shards_have_every_member_once_and_merge_into_the_whole(
    plan: SweepPlan, tmp_path: Path
) -> None:
    whole = measured(plan, Engine(), tmp_path / "whole")
    shards = [shard_of(plan, (i, 3)) for i in (1, 2, 3)]
    assert sorted(m.number for shard in shards for m in shard) == [1, 2, 3, 4]
    paths = []
    for number, members in enumerate(shards):
        paths.append(tmp_path / f"shard{number}")
        measured(plan, Engine(), paths[-1], members=members)
    partial = merge(paths[:2], tmp_path / "partial")
    assert partial.exit_code == ExitCode.INCONCLUSIVE
    merged = merge(paths, tmp_path / "merged")
    assert merged.exit_code == 0
    assert merged.table.to_json() == whole.to_json()
    assert load_sweep(tmp_path / "merged").to_json() == whole.to_json()
    for row in merged.table.rows:
        assert (tmp_path / "merged" / row.text("record")).read_bytes() == b"record"
    # The merged folder goes on like any other.
    again = Engine()
    measured(plan, again, tmp_path / "merged")
    assert again.jobs == []


def test_shards_merge_into_the_folder_of_one_of_them_however_it_is_spelt(
    plan: SweepPlan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = measured(plan, Engine(), tmp_path / "whole")
    for number in (1, 2):
        measured(plan, Engine(), tmp_path / f"s{number}", members=shard_of(plan, (number, 2)))
    (tmp_path / "link").symlink_to("s1")
    monkeypatch.chdir(tmp_path)
    merged = merge([tmp_path / "s1", Path("s2")], Path("link"))
    assert merged.exit_code == 0
    assert load_sweep(tmp_path / "s1").to_json() == whole.to_json()
    for row in merged.table.rows:
        assert (tmp_path / "s1" / row.text("record")).read_bytes() == b"record"


def test_shards_of_other_sweeps_do_not_merge(plan: SweepPlan, tmp_path: Path) -> None:
    measured(plan, Engine(), tmp_path / "a")
    measured(load_plan(CONFIG, vary=["model.depth=5"]), Engine(), tmp_path / "b")
    with pytest.raises(BadRequest, match="no shards of one sweep: the axes differs"):
        merge([tmp_path / "a", tmp_path / "b"], tmp_path / "c")


def test_a_folder_that_is_no_sweep_or_in_use_is_refused(plan: SweepPlan, tmp_path: Path) -> None:
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("text")
    with pytest.raises(BadRequest, match="something that is no sweep"):
        measured(plan, Engine(), tmp_path / "thesis", fresh=True)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "text"
    folder = SweepFolder(tmp_path / "s")
    with folder.claimed(), pytest.raises(BadRequest, match="in use by another sweep"):
        measured(plan, Engine(), tmp_path / "s")


@pytest.mark.parametrize(
    ("verdict", "code"), [("healthy", 0), ("warning", 0), ("unhealthy", 1), ("inconclusive", 4)]
)
def test_verdicts_decide_the_exit_code_only_of_a_gate(
    plan: SweepPlan, tmp_path: Path, verdict: str, code: int
) -> None:
    def judged(job: Job) -> JobResult:
        result = stand_in(job)
        return JobResult(result.key, {**result.cells, "verdict": verdict}, record=b"r")

    table = measured(plan, Engine(judged), tmp_path / "s")
    assert exit_code(table, gate=False) == 0
    assert exit_code(table, gate=True) == code


def test_an_unknown_engine_is_refused() -> None:
    with pytest.raises(BadRequest, match="no engine is called 'rai'"):
        command.engine_named("rai", 1, None)


def test_jobs_and_results_are_plain_bytes(plan: SweepPlan) -> None:
    job = Job("k", plan.members[0].config.to_dict(), "trained", "g", "p")
    assert Job.from_json(job.to_json()) == job
    json.loads(job.to_json())
    result = JobResult("k", {"loss": 0.1, "reason": "a\nb"}, {"layers": ["x"]}, 3, b"\n\x00bytes")
    assert JobResult.from_bytes(result.to_bytes()) == result
