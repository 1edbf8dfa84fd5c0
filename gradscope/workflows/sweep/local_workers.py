"""Worker processes of this machine: each starts TensorFlow once and measures many members."""

from __future__ import annotations

import contextlib
import math
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection, Pipe
from typing import IO

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import ExitCode
from gradscope.runner.process import supervisor, worker_failure, worker_home
from gradscope.workflows.sweep.jobs import Job, JobResult, failed_result
from gradscope.workflows.sweep.worker_pool import WorkerPool

_POLL_SECONDS = 0.1


class LocalWorkers(WorkerPool):
    """A fixed number of worker processes; `timeout` seconds are allowed for one member."""

    def __init__(self, workers: int, *, timeout: float | None = None) -> None:
        super().__init__(workers, WorkerProcess, timeout=timeout)


class WorkerProcess:
    """One worker process; its output goes to a file, whose last lines say why it has died."""

    def __init__(self, job: Job) -> None:
        self._stack = contextlib.ExitStack()
        self._shared_key = job.process
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
        return job.process == self._shared_key

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
