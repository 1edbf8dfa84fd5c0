"""Workers as Slurm jobs, through submitit: many members per job, so that TensorFlow starts once.

A job writes each result into a folder that it shares with this process, which reads it from there:
a job that is killed has lost the member it was measuring and no other.
"""

from __future__ import annotations

import contextlib
import importlib
import math
import shutil
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from gradscope.errors import BadRequest, ExitCode
from gradscope.record.files import atomic
from gradscope.workflows.sweep.jobs import Job, JobResult, failed_result
from gradscope.workflows.sweep.local_workers import WorkerProcess

_QUIET_SECONDS = 0.5
"""Seconds without a new member after which those that wait are sent."""

_POLL_SECONDS = 0.5
_TRIES = 2
_MINUTES = 24 * 60


class SlurmJobs:
    """At most `jobs` Slurm jobs, each of which measures many members in one worker process.

    `name` is ``slurm``, or ``slurm:local``, which runs submitit's own processes on this machine.
    ``slurm:KEY=VALUE,...`` gives parameters of submitit (``slurm_partition=long``). Raises
    `BadRequest` where submitit is not installed. The folder of the jobs has to be shared between
    the nodes: it is made in the working directory.
    """

    def __init__(self, name: str, jobs: int, *, timeout: float | None = None) -> None:
        submitit = _submitit()
        cluster, parameters = _parsed(name)
        self._folder = Path(tempfile.mkdtemp(prefix=".gradscope-slurm-", dir=Path.cwd()))
        try:
            self._executor = submitit.AutoExecutor(folder=self._folder / "log", cluster=cluster)
            self._executor.update_parameters(**{"timeout_min": _MINUTES} | parameters)
        except Exception as error:  # submitit raises a RuntimeError or a NameError for each
            shutil.rmtree(self._folder, ignore_errors=True)
            raise BadRequest(
                f"--engine {name}: submitit refuses: {error}",
                "type the command where Slurm's srun is, or use --engine slurm:local",
            ) from error
        self._jobs, self._timeout = jobs, timeout
        self._new: list[Job] = []
        self._futures: dict[str, Future[JobResult]] = {}
        self._changed, self._closed = threading.Condition(), False
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> Future[JobResult]:
        """Queue a member; it is sent with those that come within half a second."""
        with self._changed:
            future: Future[JobResult] = Future()
            self._futures[job.key] = future
            self._new.append(job)
            self._changed.notify()
            return future

    def close(self) -> None:
        """Cancel all jobs, and remove their folder."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _serve(self) -> None:
        running: list[tuple[Any, list[Job], int]] = []
        while not self._closed:
            with self._changed:
                self._changed.wait(_POLL_SECONDS)
                fresh = self._settled()
            running += self._sent(fresh, tries=1)
            running = self._collected(running)
        for handle, _, _ in running:
            with contextlib.suppress(Exception):  # it may have ended
                handle.cancel()
        with contextlib.suppress(OSError):
            shutil.rmtree(self._folder)

    def _settled(self) -> list[Job]:
        """The new members, once no more of them come."""
        count = len(self._new)
        while self._new:
            self._changed.wait(_QUIET_SECONDS)
            if len(self._new) == count:
                break
            count = len(self._new)
        fresh, self._new = self._new, []
        return fresh

    def _sent(self, jobs: list[Job], *, tries: int) -> list[tuple[Any, list[Job], int]]:
        return [
            (
                self._executor.submit(
                    measure_chunk, [job.to_json() for job in chunk], self._folder, self._timeout
                ),
                chunk,
                tries,
            )
            for chunk in chunks(jobs, self._jobs)
        ]

    def _collected(
        self, running: list[tuple[Any, list[Job], int]]
    ) -> list[tuple[Any, list[Job], int]]:
        """Hand out the results that are there; begin again what a dead job has left."""
        still: list[tuple[Any, list[Job], int]] = []
        for handle, jobs, tries in running:
            ended = handle.done()  # asked first: what it wrote before is then there
            left = [job for job in jobs if not self._handed_out(job)]
            if left and not ended:
                still.append((handle, left, tries))
            elif left and tries < _TRIES:
                still += self._sent(left, tries=tries + 1)
            else:
                for job in left:
                    message = f"its Slurm job ended before it was measured (tried {_TRIES} times)"
                    code = int(ExitCode.COULD_NOT_MEASURE)
                    self._futures[job.key].set_result(failed_result(job.key, message, code))
        return still

    def _handed_out(self, job: Job) -> bool:
        path = self._folder / f"{job.key}.result"
        if not path.is_file():
            return False
        self._futures[job.key].set_result(JobResult.from_bytes(path.read_bytes()))
        path.unlink()
        return True


def chunks(jobs: Sequence[Job], count: int) -> list[list[Job]]:
    """At most `count` parts of about equal size; members of one graph stand side by side."""
    ordered = sorted(jobs, key=lambda job: (job.process, job.graph))
    size = max(1, math.ceil(len(ordered) / count))
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def measure_chunk(jobs: Sequence[str], folder: Path, timeout: float | None) -> int:
    """Run in a Slurm job: measure members one after another, and write each result at once."""
    worker: WorkerProcess | None = None
    done = 0
    for text in jobs:
        job = Job.from_json(text)
        if worker is not None and not (worker.alive and worker.can_take(job)):
            worker.end()
            worker = None
        worker = worker or WorkerProcess(job)
        result = worker.measure(job, timeout)
        if result is None:  # once more, in a new process
            worker.end()
            worker = WorkerProcess(job)
            result = worker.measure(job, timeout)
        if result is None:
            message = f"{worker.why_ended()} (tried {_TRIES} times)"
            result = failed_result(job.key, message, int(ExitCode.COULD_NOT_MEASURE))
        atomic.write(folder / f"{job.key}.result", result.to_bytes())
        done += 1
    if worker is not None:
        worker.end()
    return done


def _submitit() -> Any:
    try:
        return importlib.import_module("submitit")
    except ImportError as error:
        raise BadRequest(
            "submitit is not installed", "pip install 'gradscope-keras[slurm]'"
        ) from error


def _parsed(name: str) -> tuple[str | None, dict[str, Any]]:
    """The cluster, and the parameters of submitit."""
    rest = name.partition(":")[2]
    parts = [part for part in rest.split(",") if part]
    cluster = "slurm"
    parameters: dict[str, Any] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals and part == "local":
            cluster = "local"
            continue
        if not equals:
            raise BadRequest(
                f"--engine {name}: expected KEY=VALUE, received {part!r}",
                "as in slurm:slurm_partition=long,timeout_min=120",
            )
        parameters[key] = int(value) if value.isdecimal() else value
    return cluster, parameters
