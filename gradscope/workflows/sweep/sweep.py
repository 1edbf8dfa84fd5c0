"""Measure the members of a sweep, and write its table; safe to interrupt at any time."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from gradscope import exit_codes
from gradscope.config.loading import ConfigSource
from gradscope.config.sweep.members import Member, SweepPlan, plan_sweep
from gradscope.errors import ExitCode, GradscopeError
from gradscope.gate.baselines import seed_statistics
from gradscope.gate.checks import expectations
from gradscope.record import storage
from gradscope.record.sweep_table import (
    Look,
    Profile,
    RowStatus,
    SweepAxis,
    SweepRow,
    SweepTable,
    row_from_json,
)
from gradscope.runner.network.graph_key import graph_key
from gradscope.runner.process import supervisor
from gradscope.workflows.analysis import analyze
from gradscope.workflows.measuring.inputs import registered_functions
from gradscope.workflows.sweep.jobs import Job, JobResult, SweepEngine, process_key
from gradscope.workflows.sweep.store import SweepFolder, code_version, member_key
from gradscope.workflows.sweep.theory import predicted_result

REPORTS = Path("reports")


@dataclass(frozen=True)
class SweepProgress:
    """How far a sweep is: members done (earlier ones among them), the rows so far, and time."""

    done: int
    total: int
    earlier: int
    seconds: float
    latest: SweepRow | None = None


Watch = Callable[[SweepProgress], None]


def ignore_progress(progress: SweepProgress) -> None:
    """Watch nothing."""


def load_plan(
    source: ConfigSource,
    overrides: Sequence[str] = (),
    vary: Sequence[str] = (),
    seeds: int | None = None,
) -> SweepPlan:
    """Read and check a sweep; raises `ConfigError` with every mistake of every member."""
    return plan_sweep(source, overrides, vary, seeds, registered_functions())


def default_workers(members: int) -> int:
    """One worker per core, but no more than members."""
    return max(1, min(members, os.cpu_count() or 1))


def sweep_folder(plan: SweepPlan, output: Path | None) -> Path:
    """Where a sweep is written."""
    return output or REPORTS / f"{plan.name}.sweep"


def shard_of(plan: SweepPlan, shard: tuple[int, int] | None) -> tuple[Member, ...]:
    """The members of one shard: (3, 16) is the third of sixteen.

    Members of one graph stay together where there are more graphs than shards.
    """
    if shard is None:
        return plan.members
    number, count = shard
    groups: dict[str, list[Member]] = {}
    for member in plan.members:
        groups.setdefault(graph_key(member.config), []).append(member)
    if len(groups) >= count:
        ordered = [
            member for group in list(groups.values())[number - 1 :: count] for member in group
        ]
    else:
        ordered = list(plan.members[number - 1 :: count])
    return tuple(sorted(ordered, key=lambda member: member.number))


def measure_sweep(
    plan: SweepPlan,
    engine: SweepEngine | None,
    folder: SweepFolder,
    *,
    look: Look,
    members: Sequence[Member],
    trust: bool = False,
    watch: Watch = ignore_progress,
    stop: Sequence[int] = (),
) -> SweepTable:
    """Measure the `members` that `folder` does not have yet; it must be claimed.

    With the look ``theory`` nothing is measured and no `engine` is needed. `stop` is a list to
    which a signal handler adds: then the table is written as it stands and `Interrupted` raised.
    Whatever happens, ``sweep.json`` and the table are written with what is known.
    """
    keys = {member.number: member_key(member.config, look) for member in members}
    results: dict[str, JobResult] = {}
    if look is not Look.THEORY:
        results = {k: kept for k in keys.values() if (kept := folder.kept(k)) is not None}
    earlier = sum(key in results for key in keys.values())
    started = time.monotonic()

    def table() -> SweepTable:
        rows = [_row(member, results.get(keys[member.number]), folder) for member in members]
        return table_of(plan, look, rows, folder.path)

    by_key: dict[str, list[Member]] = {}
    for member in members:
        by_key.setdefault(keys[member.number], []).append(member)
    done = earlier

    def report(row: SweepRow | None = None) -> None:
        watch(SweepProgress(done, len(members), earlier, time.monotonic() - started, row))

    report()
    try:
        missing = {key: of[0] for key, of in by_key.items() if key not in results}
        for result in _results(missing, look, engine, trust, stop):
            if look is not Look.THEORY:
                folder.keep(result)
            results[result.key] = replace(result, record=b"")
            for member in by_key[result.key]:
                done += 1
                report(_row(member, result, folder))
    except BaseException:
        if engine is not None:
            engine.close()
        folder.write_table(table())
        raise
    finished = _with_budgets(members, table(), folder)
    folder.write_table(finished)
    if stop:
        raise _interrupted(stop[0], folder, f"{len(results)} of {len(members)}")
    return finished


def _interrupted(number: int, folder: SweepFolder, measured: str) -> GradscopeError:
    text = f"kept: {folder.path}, with {measured} members; the same command goes on"
    return supervisor.interrupted(number, text)


def _results(
    missing: Mapping[str, Member],
    look: Look,
    engine: SweepEngine | None,
    trust: bool,
    stop: Sequence[int],
) -> Iterator[JobResult]:
    """The results of the members that are not there yet, each when it is finished."""
    if look is Look.THEORY:
        for key, member in missing.items():
            if stop:
                return
            yield predicted_result(key, member.config)
        return
    if engine is None:
        raise ValueError("a measured sweep needs an engine")
    # A queue, not `concurrent.futures.wait`, whose cost grows with all that are not done yet.
    finished: SimpleQueue[Future[JobResult]] = SimpleQueue()
    for key, member in missing.items():
        engine.submit(_job(key, member, look, trust)).add_done_callback(finished.put)
    left = len(missing)
    while left and not (stop and finished.empty()):
        try:
            future = finished.get(timeout=0.2)
        except Empty:  # to see a signal
            continue
        left -= 1
        yield future.result()
    engine.close()


def _job(key: str, member: Member, look: Look, trust: bool) -> Job:
    config = member.config
    process = process_key(config)
    return Job(key, config.to_dict(), str(look), f"{process}{graph_key(config)}", process, trust)


def table_of(
    plan: SweepPlan, look: Look, rows: Sequence[SweepRow], folder: Path | None
) -> SweepTable:
    """The table of these rows of a plan."""
    axes = tuple(SweepAxis(axis.name, axis.keys, axis.labels) for axis in plan.axes)
    return SweepTable(
        plan.name,
        axes,
        plan.combine,
        plan.seeds,
        look,
        tuple(rows),
        code_version(),
        len(plan.members),
        folder,
    )


def _row(member: Member, result: JobResult | None, folder: SweepFolder) -> SweepRow:
    """The row of a member; of one that was not begun, only what it is."""
    cells: dict[str, Any] = {
        "member": member.number,
        "combination": member.combination,
        "seed": member.seed,
        "status": str(RowStatus.PENDING),
    }
    profile = Profile()
    if result is not None:
        cells |= result.cells
        measured = cells["status"] not in (RowStatus.FAILED, RowStatus.PREDICTED)
        cells["record"] = folder.record_name(result.key) if measured else ""
        profile = row_from_json(
            {"labels": (), "values": {}, "cells": {}, "profile": result.profile}
        ).profile
    return SweepRow(member.labels, member.values, cells, profile)


def _with_budgets(members: Sequence[Member], table: SweepTable, folder: SweepFolder) -> SweepTable:
    """The table with the outcome of the members' budgets, over the seeds of each combination."""
    if not any(_budgets(member) for member in members) or table.look is Look.THEORY:
        return table
    outcome: dict[int, str] = {}
    for combination in dict.fromkeys(member.combination for member in members):
        chosen = [
            (member, row)
            for member, row in zip(members, table.rows, strict=True)
            if member.combination == combination
        ]
        outcome[combination] = _budget_outcome(chosen, folder, table.look)
    rows = [
        replace(row, cells={**row.cells, "expect": outcome[member.combination]})
        for member, row in zip(members, table.rows, strict=True)
    ]
    return replace(table, rows=tuple(rows))


def _budgets(member: Member) -> dict[str, Any]:
    expect = member.config.to_dict()["expect"]
    return {key: value for key, value in expect.items() if value is not None}


def _budget_outcome(
    chosen: Sequence[tuple[Member, SweepRow]], folder: SweepFolder, look: Look
) -> str:
    """``passed``, or the budgets that are not met, or that could not be checked."""
    budgets = _budgets(chosen[0][0])
    if not budgets:
        return ""
    paths = [folder.path / row.text("record") for _, row in chosen if row.text("record")]
    if len(paths) < len(chosen):
        return "inconclusive: not every seed was measured"
    records = [storage.load(path) for path in paths]
    diagnoses = [analyze(record).diagnosis for record in records]
    trained = len(records) if look is Look.TRAINED else 0
    judged = diagnoses if trained else diagnoses[:1]
    statistics = seed_statistics.from_records(records, judged, trained)
    checks = expectations.checks(budgets, statistics, diagnoses[0])
    for status in ("failed", "inconclusive"):
        names = [check.subject for check in checks if check.status == status]
        if names:
            return f"{status}: {', '.join(names)}"
    return "passed" if any(check.status == "passed" for check in checks) else "inconclusive"


def exit_code(table: SweepTable, *, gate: bool) -> int:
    """The worst code of the members; with `gate` verdicts and budgets count."""
    return exit_codes.worst(_row_code(row, gate=gate) for row in table.rows)


def _row_code(row: SweepRow, *, gate: bool) -> int:
    status, expect = row.text("status"), row.text("expect")
    if status == RowStatus.FAILED:
        return int(ExitCode.COULD_NOT_MEASURE)
    if status == RowStatus.PREDICTED:
        return int(ExitCode.HEALTHY)
    if gate and expect:
        return exit_codes.for_checks([expect.partition(":")[0]])
    complete = status in (RowStatus.COMPLETE, RowStatus.DIVERGED)
    return exit_codes.for_run(complete=complete, verdict=row.text("verdict"), gate=gate)
