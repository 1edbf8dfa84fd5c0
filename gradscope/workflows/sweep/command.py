"""A whole sweep: plan, measure, write the table, the pictures and the page."""

from __future__ import annotations

import resource
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from gradscope.config.sweep.members import Member, SweepPlan
from gradscope.errors import BadRequest, GradscopeError
from gradscope.message_text import did_you_mean, show_value
from gradscope.record.files import atomic
from gradscope.record.sweep_table import Look, SweepTable
from gradscope.reporters.sweep.plan_text import SweepCost
from gradscope.runner.network.graph_key import graph_key
from gradscope.runner.process import supervisor
from gradscope.workflows.sweep.jobs import Job, SweepEngine, process_key
from gradscope.workflows.sweep.local_workers import LocalWorkers
from gradscope.workflows.sweep.store import PARQUET, SweepFolder, member_key, write_parquet
from gradscope.workflows.sweep.sweep import (
    Watch,
    default_workers,
    exit_code,
    ignore_progress,
    measure_sweep,
    shard_of,
    sweep_folder,
)

PAGE = "report.html"


@dataclass(frozen=True)
class WrittenSweep:
    """A finished sweep: its table, its folder, its files (the page first) and its exit code."""

    table: SweepTable
    folder: Path
    files: tuple[str, ...]
    exit_code: int


def run_sweep(
    plan: SweepPlan,
    look: Look,
    *,
    output: Path | None = None,
    fresh: bool = False,
    workers: int | None = None,
    shard: tuple[int, int] | None = None,
    engine: str = "local",
    timeout: float | None = None,
    trust: bool = False,
    gate: bool = False,
    watch: Watch = ignore_progress,
) -> WrittenSweep:
    """Measure what is missing, and write everything.

    Raises `Interrupted` after a signal, with the table written as it stands.
    """
    members = shard_of(plan, shard)
    if not members:
        raise BadRequest(
            f"the shard {shard[0]}/{shard[1]} has no members" if shard else "no members",
            f"the sweep has {len(plan.members)} members: use fewer shards",
        )
    folder = SweepFolder(sweep_folder(plan, output))
    with supervisor.recorded_stop_signals() as signals, folder.claimed(fresh=fresh):
        count = workers or default_workers(len(members))
        chosen = None if look is Look.THEORY else engine_named(engine, count, timeout)
        table = measure_sweep(
            plan,
            chosen,
            folder,
            look=look,
            members=members,
            trust=trust,
            watch=watch,
            stop=signals,
        )
        files = write_pages(table, folder.path)
    return WrittenSweep(table, folder.path, files, exit_code(table, gate=gate))


def engine_named(name: str, workers: int, timeout: float | None) -> SweepEngine:
    """The engine of a name: ``local``, ``ray``, ``ray://host:port`` or ``slurm``."""
    kind = name.partition(":")[0].partition("?")[0]
    if kind == "ray":
        from gradscope.workflows.sweep.ray_workers import RayWorkers

        return RayWorkers(name, workers, timeout=timeout)
    if kind == "slurm":
        from gradscope.workflows.sweep.slurm_jobs import SlurmJobs

        return SlurmJobs(name, workers, timeout=timeout)
    if kind == "local":
        return LocalWorkers(workers, timeout=timeout)
    raise BadRequest(
        f"no engine is called {show_value(name)}",
        did_you_mean(kind, ("local", "ray", "slurm")) or "use local, ray or slurm",
    )


def write_pages(table: SweepTable, folder: Path) -> tuple[str, ...]:
    """Draw the pictures and write the page; paths of all files, the page first."""
    from gradscope.reporters.sweep import page, pictures

    drawn = pictures.files(table)
    for name, content in drawn.items():
        atomic.write(folder / name, content)
    atomic.write(folder / PAGE, page.render(table, drawn).encode())
    others = ["table.csv", "sweep.json"]
    if write_parquet(table, folder / PARQUET):
        others.append(PARQUET)
    shown = [name for name in drawn if name.endswith(".png")]
    return tuple(str(folder / name) for name in (PAGE, *shown, *others))


def measured_cost(
    plan: SweepPlan, look: Look, shard: tuple[int, int] | None, output: Path | None
) -> SweepCost:
    """What the sweep will cost, from the first member, measured twice in a worker of its own.

    The second measurement is what a member costs that finds its network built and traced.
    """
    members = shard_of(plan, shard)
    folder = SweepFolder(sweep_folder(plan, output))
    finished = sum(
        folder.kept(member_key(member.config, look)) is not None
        for member in members
        if look is not Look.THEORY
    )
    graphs = len({process_key(m.config) + graph_key(m.config) for m in members})
    cost = SweepCost(len(members), finished, graphs, default_workers(len(members)))
    if look is Look.THEORY:
        return cost
    return _with_measured_member(cost, members, look)


def _with_measured_member(cost: SweepCost, members: Sequence[Member], look: Look) -> SweepCost:
    """The cost with the times and sizes of the largest member, measured twice."""
    largest = max(members, key=lambda member: len(member.config.model.hidden_layers))
    config = largest.config
    process = process_key(config)
    job = Job("dry-run", config.to_dict(), str(look), graph_key(config), process)
    engine = LocalWorkers(1)
    try:
        results = [future.result() for future in [engine.submit(job), engine.submit(job)]]
    except GradscopeError:
        return cost
    finally:
        engine.close()
    if any(result.code for result in results):
        return cost
    first, again = (float(result.cells["seconds"] or 0.0) for result in results)
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
    return replace(
        cost,
        first_seconds=first,
        next_seconds=again,
        peak_bytes=peak,
        record_bytes=len(results[1].record),
    )
