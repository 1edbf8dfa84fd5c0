"""Worker processes of this machine: each starts TensorFlow once and measures many members.

Members of one graph go to the same worker. A worker that dies loses the member it was measuring,
which is tried once more in a new worker.
"""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from multiprocessing.connection import Connection, Pipe
from typing import IO

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import ExitCode
from gradscope.runner.process import supervisor, worker_failure, worker_home
from gradscope.workflows.sweep.jobs import Job, JobResult, failed_result

_POLL_SECONDS = 0.1
_TRIES = 2
"""How often a member is begun: its worker may die of something else, such as too little memory."""


@dataclass
class _Waiting:
    """A job, its future, and how often it was begun."""

    job: Job
    future: Future[JobResult]
    tries: int = 0


class _Queue:
    """The jobs that wait, by graph: who is done with one goes on with the same graph."""

    def __init__(self) -> None:
        self._groups: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        self._condition = threading.Condition()
        self._busy: dict[int, str] = {}
        self._closed = False

    def add(self, waiting: _Waiting, *, first: bool = False) -> None:
        """Add a job at the end of its graph's, or in front."""
        with self._condition:
            group = self._groups.setdefault(waiting.job.graph, deque())
            if first:
                group.appendleft(waiting)
            else:
                group.append(waiting)
            self._condition.notify_all()

    def take(self, worker: int, last: str) -> _Waiting | None:
        """The next job for a worker whose last graph is `last`; None once the queue is closed."""
        with self._condition:
            self._busy.pop(worker, None)
            while not self._groups and not self._closed:
                self._condition.wait(0.5)
            if self._closed:
                return None
            graph = self._chosen(last)
            self._busy[worker] = graph
            group = self._groups[graph]
            waiting = group.popleft()
            if not group:
                del self._groups[graph]
            return waiting

    def _chosen(self, last: str) -> str:
        """The worker's own graph, else the first that nobody measures, else the longest."""
        if last in self._groups:
            return last
        free = [graph for graph in self._groups if graph not in self._busy.values()]
        return free[0] if free else max(self._groups, key=lambda graph: len(self._groups[graph]))

    def close(self) -> None:
        """Let every worker end that waits for a job."""
        with self._condition:
            self._closed = True
            self._condition.notify_all()

    @property
    def closed(self) -> bool:
        """Whether no more jobs are given out."""
        return self._closed


class LocalWorkers:
    """A fixed number of worker processes; `timeout` seconds are allowed for one member.

    Each worker's output goes to a temporary file, whose last lines say why one has died.
    """

    def __init__(self, workers: int, *, timeout: float | None = None) -> None:
        self._queue = _Queue()
        self._timeout = timeout
        self._threads = [
            threading.Thread(target=self._serve, args=(number,), daemon=True)
            for number in range(workers)
        ]
        self._started = False

    def submit(self, job: Job) -> Future[JobResult]:
        """Queue a job."""
        waiting = _Waiting(job, Future())
        self._queue.add(waiting)
        if not self._started:
            self._started = True
            for thread in self._threads:
                thread.start()
        return waiting.future

    def close(self) -> None:
        """End all workers at once."""
        self._queue.close()
        if self._started:
            for thread in self._threads:
                thread.join()

    def _serve(self, number: int) -> None:
        """The life of one worker's thread: one process after another, as long as there are jobs."""
        worker: _Worker | None = None
        last = ""
        while (waiting := self._queue.take(number, last)) is not None:
            last = waiting.job.graph
            if worker is not None and not worker.can_take(waiting.job):
                worker.end()
                worker = None
            if worker is None:
                worker = _Worker(waiting.job)
            result = worker.measure(waiting.job, self._timeout, lambda: self._queue.closed)
            if result is not None:
                waiting.future.set_result(result)
            elif not self._queue.closed:
                self._lost(waiting, worker)
            if not worker.alive:
                worker.end()
                worker = None
        if worker is not None:
            worker.end()

    def _lost(self, waiting: _Waiting, worker: _Worker) -> None:
        """Try a member once more whose worker has died; after that it has failed."""
        waiting.tries += 1
        if waiting.tries < _TRIES:
            self._queue.add(waiting, first=True)
            return
        message = f"{worker.why_ended()} (tried {_TRIES} times)"
        code = int(ExitCode.COULD_NOT_MEASURE)
        waiting.future.set_result(failed_result(waiting.job.key, message, code))


class _Worker:
    """One worker process."""

    def __init__(self, job: Job) -> None:
        self._stack = contextlib.ExitStack()
        self._process_key = job.process
        home = self._stack.enter_context(worker_home.created())
        output = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the worker
        self._output: IO[bytes] = self._stack.enter_context(output)
        receiver, sender = Pipe(duplex=False)
        with sender:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-P",
                    "-m",
                    "gradscope.workflows.sweep.worker",
                    str(sender.fileno()),
                ],
                stdin=subprocess.PIPE,
                stdout=self._output,
                stderr=self._output,
                env=supervisor.worker_environment(ExperimentConfig.from_dict(job.config), home),
                pass_fds=[sender.fileno()],
                start_new_session=True,
            )
        self._connection: Connection[bytes, bytes] = receiver
        self._stack.enter_context(receiver)
        self.alive = True

    def can_take(self, job: Job) -> bool:
        """Whether the process has the threads and the device that the job needs."""
        return job.process == self._process_key

    def measure(
        self, job: Job, timeout: float | None, stopped: Callable[[], bool] = lambda: False
    ) -> JobResult | None:
        """Measure one job; None where the process has died, or `stopped` says to stop."""
        deadline = time.monotonic() + (math.inf if timeout is None else timeout)
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(job.to_json().encode() + b"\n")
            self._process.stdin.flush()
        except OSError:
            self.alive = False
            return None
        while True:
            try:
                if self._connection.poll(_POLL_SECONDS):
                    result = JobResult.from_bytes(self._connection.recv_bytes())
                    # A failure may have left anything behind: the next member gets a new process.
                    self.alive = result.code != ExitCode.COULD_NOT_MEASURE
                    return result
            except (EOFError, OSError, ValueError):
                self.alive = False
                return None
            if stopped():
                self.alive = False
                return None
            if time.monotonic() > deadline:
                self.alive = False
                message = f"stopped: it took longer than {timeout:g} s"
                return failed_result(job.key, message, int(ExitCode.COULD_NOT_MEASURE))
            if self._process.poll() is not None and not self._connection.poll(0):
                self.alive = False
                return None

    def why_ended(self) -> str:
        """Why the process has ended, in a sentence."""
        supervisor.kill(self._process, patience=1.0)
        code = self._process.returncode
        message, _ = worker_failure.explain({"event": "none"}, code, self._output)
        return message

    def end(self) -> None:
        """End the process, and whatever it started."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        supervisor.kill(self._process, patience=0.0)
        self._stack.close()
