"""What 10,000 and 1,000,000 members cost, computed from measured figures.

A member (10 layers of 100 units, 100 steps) is measured in a worker. Then the command's own process
is given the result of that member for every member of two sweeps, by an engine that measures
nothing: what the larger one takes more is what a member costs the driver. The rest is
multiplication, and says so.
"""

from __future__ import annotations

import tempfile
import threading
import time
from collections import deque
from concurrent.futures import Future
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks import sweeps
from benchmarks.isolated import call
from benchmarks.memory import peak_mib
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table

if TYPE_CHECKING:
    from gradscope.workflows.sweep.jobs import Job, JobResult

CASES = {"sw-driver": "a member's cost to the driver"}
SIZES = (500, 2000)
RATES = 20
MEASURED = 12
COMPUTED = (10_000, 1_000_000)
CORES = (1, 16, 256)


def measure_member(count: int = MEASURED) -> dict[str, Any]:
    """Processor seconds of the first member and of one more; and the bytes of a result."""
    import keras  # noqa: F401

    from gradscope.runner.network.graph_key import graph_key
    from gradscope.runner.process.member_loop import MemberLoop
    from gradscope.runner.runtime import device
    from gradscope.workflows.sweep.jobs import Job, measured_result

    seconds = []
    device.set_threads(1)
    with device.settings():
        loop = MemberLoop()
        for number in range(count):
            config = sweeps.member_config(number, sweeps.STEPS)
            job = Job(str(number), config.to_dict(), "trained", graph_key(config), "")
            result = measured_result(job, lambda c, at_init: loop.measure(c, at_init=at_init))
            seconds.append(time.process_time())
    each = (seconds[-1] - seconds[1]) / (count - 2)
    return {"start": seconds[0], "each": each, "result": result.to_bytes().hex()}


class _Answers:
    """Takes all jobs, as a pool of workers does, then gives the same result to each."""

    def __init__(self, members: int, result: bytes) -> None:
        self.few_at_once = threading.Semaphore(8)
        self._members, self._result = members, result
        self._waiting: deque[tuple[Job, Future[JobResult]]] = deque()

    def submit(self, job: Job) -> Future[JobResult]:
        """Keep the job until all have come."""
        future: Future[JobResult] = Future()
        self._waiting.append((job, future))
        if len(self._waiting) == self._members:
            threading.Thread(target=self._answer, daemon=True).start()
        return future

    def _answer(self) -> None:
        from gradscope.workflows.sweep.jobs import JobResult

        answer = JobResult.from_bytes(self._result)
        while self._waiting:
            self.few_at_once.acquire()
            job, future = self._waiting.popleft()
            future.set_result(replace(answer, key=job.key))

    def close(self) -> None:
        """Nothing runs."""


def measure_driver(members: int, result: str) -> dict[str, float]:
    """Processor seconds, peak memory and bytes on disk of a sweep whose members take no time."""
    from gradscope.record.sweep_table import Look
    from gradscope.workflows.sweep.command import write_pages
    from gradscope.workflows.sweep.store import SweepFolder
    from gradscope.workflows.sweep.sweep import load_plan, measure_sweep

    engine = _Answers(members, bytes.fromhex(result))
    config = sweeps.member_document(0, sweeps.STEPS)
    config["sweep"] = {
        "axes": {"training.learning_rate": {"log": [1e-4, 1e-1], "num": RATES}},
        "seeds": members // RATES,
    }
    marks = [time.process_time()]
    plan = load_plan(config)
    assert len(plan.members) == members
    marks.append(time.process_time())
    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as path:
        folder = SweepFolder(Path(path) / "driver.sweep")
        with folder.claimed():
            table = measure_sweep(
                plan,
                engine,
                folder,
                look=Look.TRAINED,
                members=plan.members,
                watch=lambda progress: engine.few_at_once.release(),
            )
            marks.append(time.process_time())
            peak = peak_mib()
            write_pages(table, folder.path)
            marks.append(time.process_time())
        sizes = {name: float((folder.path / name).stat().st_size) for name in _FILES}
        kept = sum(each.stat().st_size for each in (folder.path / "members").iterdir())
    durations = [later - earlier for earlier, later in pairwise(marks)]
    return {
        **dict(zip(("plan_s", "keep_s", "pages_s"), durations, strict=True)),
        "peak_mib": peak,
        "pages_peak_mib": peak_mib(),
        "members": float(kept),
        **sizes,
    }


_FILES = ("table.csv", "sweep.json", "report.html")
_PEAKS = ("peak_mib", "pages_peak_mib")
"""The peak while members are measured, and that of the whole command."""


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure a member and two sizes of sweep, each in a process of its own."""
    return [
        {"case": name} | noting_load(_driver, options, report) for name in options.chosen(CASES)
    ]


def _driver(options: Options, report: Reporter) -> dict[str, Any]:
    report("sweeps_driver: a member in a worker")
    member = call("benchmarks.sweeps_driver:measure_member", {"count": MEASURED})
    sizes = [size // 10 for size in SIZES] if options.quick else SIZES
    drivers = []
    for size in sizes:
        report(f"sweeps_driver: {size:,} members that take no time")
        arguments = {"members": size, "result": member["result"]}
        drivers.append(call("benchmarks.sweeps_driver:measure_driver", arguments))
    small, large = drivers
    more = sizes[1] - sizes[0]
    each = {key: (large[key] - small[key]) / more for key in small}
    return {
        "rounds": 1,
        "member": {key: member[key] for key in ("start", "each")},
        "record_bytes": len(member["result"]) // 2,
        "driver": drivers,
        "driver_each": each,
        "sizes": list(sizes),
    }


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show what is measured, and what is computed from it."""
    return [table for result in results for table in (_measured(result), _computed(result))]


def _measured(result: dict[str, Any]) -> Table:
    title = "A member: 10 layers of 100, 100 steps, measured, judged and kept (measured)"
    table = Table(title, ("what", "a member"))
    member, each = result["member"], result["driver_each"]
    table.row("worker, processor time", f"{member['each']:.2f} s")
    table.row("worker, start and first member", f"{member['start']:.1f} s")
    driver = each["plan_s"] + each["keep_s"]
    table.row("driver, processor time: plan, keep, table", f"{1e3 * driver:.1f} ms")
    table.row("driver, processor time: pictures and page", f"{1e3 * each['pages_s']:.2f} ms")
    table.row("driver, memory", f"{1024 * max(each[name] for name in _PEAKS):.1f} KiB")
    table.row("`members/`: record and row", f"{each['members'] / 1024:.1f} KiB")
    for name in _FILES:
        table.row(f"`{name}`", f"{each[name] / 1024:.2f} KiB")
    return table


def _computed(result: dict[str, Any]) -> Table:
    title = f"Computed from these; the driver's from {result['sizes'][0]:,} and "
    title += f"{result['sizes'][1]:,} members"
    table = Table(title, ("what", *(f"{count:,} members" for count in COMPUTED)))
    member, each, base = result["member"], result["driver_each"], result["driver"][0]
    for cores in CORES:
        hours = [(member["start"] + member["each"] * n / cores) / 3600 for n in COMPUTED]
        cells = [f"{hour:.1f} h" if hour >= 1 else f"{60 * hour:.1f} min" for hour in hours]
        table.row(f"workers on {cores} core{'s' * (cores > 1)}", *cells)
    driver = each["plan_s"] + each["keep_s"] + each["pages_s"]
    table.row("driver, processor time", *(f"{n * driver / 60:.1f} min" for n in COMPUTED))
    memory = [
        max(base[name] + each[name] * (n - result["sizes"][0]) for name in _PEAKS) for n in COMPUTED
    ]
    table.row("driver, memory", *(f"{mib / 1024:.1f} GiB" for mib in memory))
    disk = [n * each["members"] / 2**30 for n in COMPUTED]
    table.row("`members/`", *(f"{gib:.1f} GiB" for gib in disk))
    for name in _FILES:
        table.row(f"`{name}`", *(f"{n * each[name] / 2**20:.0f} MiB" for n in COMPUTED))
    return table
