"""Workers on a Ray cluster: each is a worker process of its node, held by a Ray actor.

The actor starts the same process as `LocalWorkers` does, so that the figures are the same bits.
gradscope has to be installed on every node.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

from gradscope.errors import BadRequest, ExitCode
from gradscope.workflows.sweep.jobs import Job, JobResult, failed_result
from gradscope.workflows.sweep.local_workers import WorkerProcess
from gradscope.workflows.sweep.worker_pool import WorkerPool

_POLL_SECONDS = 0.2
_START_SECONDS = 120.0
"""How long an actor may wait for a free place in the cluster, and for Python to start there."""


class RayWorkers(WorkerPool):
    """A fixed number of workers on a cluster.

    `name` is ``ray`` (the cluster of RAY_ADDRESS, else one on this machine), or
    ``ray://HOST:PORT``, the address of Ray's client server; ``?cpus=1&gpus=0.25`` after it gives
    each worker its share. Raises `BadRequest` where ray is not installed or there is no cluster.
    """

    def __init__(self, name: str, workers: int, *, timeout: float | None = None) -> None:
        self._ray = _ray()
        address, shares = _parsed(name)
        self._connected = not self._ray.is_initialized()
        if self._connected:
            try:
                self._ray.init(address=address, log_to_driver=False, logging_level="error")
            except (ConnectionError, ValueError, RuntimeError, ImportError) as error:
                raise BadRequest(
                    f"no Ray cluster at {address or 'this machine'}: {error}",
                    "start one with `ray start --head`",
                ) from error
        actor = self._ray.remote(**shares)(_Actor)
        super().__init__(workers, lambda job: _RayWorker(self._ray, actor, job), timeout=timeout)

    def close(self) -> None:
        """End all workers, and leave the cluster."""
        super().close()
        if self._connected:
            self._ray.shutdown()


def _ray() -> Any:
    try:
        return importlib.import_module("ray")
    except ImportError as error:
        raise BadRequest("ray is not installed", "pip install 'gradscope-keras[ray]'") from error


def _parsed(name: str) -> tuple[str | None, dict[str, float]]:
    """The address, None for `ray` alone, and the shares of one worker."""
    text, _, query = name.partition("?")
    address = text if urlsplit(text).netloc else None
    shares = {"num_cpus": 1.0}
    for key, values in parse_qs(query, keep_blank_values=True).items():
        try:
            shares[{"cpus": "num_cpus", "gpus": "num_gpus"}[key]] = float(values[-1])
        except (KeyError, ValueError):
            raise BadRequest(
                f"--engine {name}: expected cpus=NUMBER and gpus=NUMBER after the question mark",
                "as in ray://HOST:PORT?cpus=1&gpus=0.25",
            ) from None
    return address, shares


class _Actor:
    """A worker process on the node of this actor."""

    def __init__(self, first: str) -> None:
        self._worker = WorkerProcess(Job.from_json(first))

    def measure(self, job: str, timeout: float | None) -> tuple[bytes | None, str, bool]:
        """The bytes of the result, None where the process has died; why; and if it still lives."""
        result = self._worker.measure(Job.from_json(job), timeout)
        if result is None:
            return None, self._worker.why_ended(), False
        return result.to_bytes(), "", self._worker.alive

    def end(self) -> None:
        """End the process."""
        self._worker.end()


class _RayWorker:
    """An actor, as a worker of the pool."""

    def __init__(self, ray: Any, actor: Any, job: Job) -> None:
        self._ray, self._process, self._why = ray, job.process, ""
        self._actor = actor.remote(job.to_json())
        self.alive = True

    def can_take(self, job: Job) -> bool:
        """Whether the process has the threads and the device that the job needs."""
        return job.process == self._process

    def measure(
        self, job: Job, timeout: float | None, stopped: Callable[[], bool]
    ) -> JobResult | None:
        """Measure one job; None where the process or its node has died."""
        waiting = self._actor.measure.remote(job.to_json(), timeout)
        deadline = time.monotonic() + _START_SECONDS + (timeout or float("inf"))
        try:
            while not self._ray.wait([waiting], timeout=_POLL_SECONDS)[0]:
                if stopped():
                    self.alive = False
                    return None
                if time.monotonic() > deadline:
                    self.alive = False
                    message = f"stopped: it took longer than {timeout:g} s"
                    return failed_result(job.key, message, int(ExitCode.COULD_NOT_MEASURE))
            content, self._why, self.alive = self._ray.get(waiting)
        except self._ray.exceptions.RayError as error:
            self._why = f"the Ray actor ended: {str(error).splitlines()[0]}"
            self.alive = False
            return None
        return None if content is None else JobResult.from_bytes(content)

    def why_ended(self) -> str:
        """Why the process has ended, in a sentence."""
        return self._why or "the worker ended"

    def end(self) -> None:
        """End the actor; its process ends with it."""
        with contextlib.suppress(Exception):  # the cluster may be gone
            self._ray.kill(self._actor)
