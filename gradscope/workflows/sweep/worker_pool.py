"""A pool of workers that each take one job after another; what a cluster changes is the worker.

Members of one graph go to the same worker. A worker that dies loses the member it was measuring,
which is tried once more in a new worker.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from gradscope.errors import ExitCode, GradscopeError
from gradscope.workflows.sweep.jobs import Job, JobResult, failed_result


class Worker(Protocol):
    """Something that measures one job after another until it dies."""

    @property
    def alive(self) -> bool:
        """Whether it can take another job."""
        ...

    def can_take(self, job: Job) -> bool:
        """Whether it has the threads and the device that the job needs."""
        ...

    def measure(
        self, job: Job, timeout: float | None, stopped: Callable[[], bool]
    ) -> JobResult | None:
        """Measure one job; None where the worker has died, or `stopped` says to stop."""
        ...

    def why_ended(self) -> str:
        """Why it has died, in a sentence."""
        ...

    def end(self) -> None:
        """End it, and whatever it started."""
        ...


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


class WorkerPool:
    """A fixed number of workers, made by `start`; `timeout` seconds are allowed for one member."""

    def __init__(
        self, workers: int, start: Callable[[Job], Worker], *, timeout: float | None = None
    ) -> None:
        self._queue = _Queue()
        self._start = start
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
        worker: Worker | None = None
        last = ""
        while (waiting := self._queue.take(number, last)) is not None:
            last = waiting.job.graph
            if worker is not None and not worker.can_take(waiting.job):
                worker.end()
                worker = None
            try:
                worker = worker or self._start(waiting.job)
            except (GradscopeError, OSError) as error:
                message = f"no worker could be started: {error}"
                code = int(ExitCode.COULD_NOT_MEASURE)
                waiting.future.set_result(failed_result(waiting.job.key, message, code))
                continue
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

    def _lost(self, waiting: _Waiting, worker: Worker) -> None:
        """Try a member once more whose worker has died; after that it has failed."""
        waiting.tries += 1
        if waiting.tries < _TRIES:
            self._queue.add(waiting, first=True)
            return
        message = f"{worker.why_ended()} (tried {_TRIES} times)"
        code = int(ExitCode.COULD_NOT_MEASURE)
        waiting.future.set_result(failed_result(waiting.job.key, message, code))
