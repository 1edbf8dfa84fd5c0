"""Start the worker, receive its messages, and keep what was measured if it fails.

This module never imports TensorFlow. A bad request is therefore refused at once, and Ctrl-C ends
the measurement at once, even while TensorFlow is in a call that ignores it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, CouldNotMeasure, ExitCode, Interrupted
from gradscope.record.builder import RecordBuilder
from gradscope.record.run_record import OutcomeStatus, RunRecord
from gradscope.runner.process import worker_failure, worker_home
from gradscope.runner.process.messages import OutOfTurn, add_message
from gradscope.runner.runtime.seeds import Seeds
from gradscope.runner.sources.keras_data import KERAS_DATASETS

Watcher = Callable[[dict[str, Any], RecordBuilder], None]
"""Called for every message of the worker: its header, and the record so far."""

_PASSED_VARIABLES = (
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "VIRTUAL_ENV",
    "PYTHONPATH",
    "PYTHONHASHSEED",
)
_PASSED_PREFIXES = ("CUDA_", "NVIDIA_", "LD_", "DYLD_", "GRADSCOPE_", "COVERAGE_")
_POLL_SECONDS = 0.2


def measure(
    config: ExperimentConfig, watch: Watcher, log: Path | None = None, flags: Sequence[str] = ()
) -> RunRecord:
    """Measure `config` from its seed in a separate process; see `stream_seeds`."""
    (record,) = stream_seeds(config, Seeds(trained=(config.seed,)), watch, log, flags)
    return record


def stream_seeds(
    config: ExperimentConfig,
    seeds: Seeds,
    watch: Watcher,
    log: Path | None = None,
    flags: Sequence[str] = (),
    *,
    meanwhile: Callable[[], None] = lambda: None,
    stop: list[int] | None = None,
    timeout: float | None = None,
) -> Iterator[RunRecord]:
    """Measure `config` from several seeds in one separate process; yield each record at its end.

    Closing the iterator ends the worker. Only the first record is kept here.

    `flags` go to the worker: ``--trust-model``, ``--survey``, ``--deterministic``. `meanwhile` runs
    here while the worker imports TensorFlow; an exception of it ends the worker. `stop` is the list
    of `recorded_stop_signals` of a caller who records signals; without it they are recorded here.
    After `timeout` seconds the worker is ended.

    Everything the worker prints goes to `log` (default: a temporary file). Raises `BadRequest` when
    the worker refused the config; `CouldNotMeasure` when it failed, was killed or took longer than
    `timeout`; `Interrupted` after SIGINT, SIGTERM or SIGHUP. The last two carry the first seed's
    record so far as ``partial``.
    """
    received = _Received(seeds)
    recording = recorded_stop_signals() if stop is None else contextlib.nullcontext(stop)
    with recording as signals, contextlib.ExitStack() as stack:
        ending = _Ending(signals, math.inf if timeout is None else time.monotonic() + timeout)
        output: IO[bytes]
        if log is None:
            output = stack.enter_context(tempfile.TemporaryFile())
        else:
            log.unlink(missing_ok=True)  # a link is not followed
            output = stack.enter_context(log.open("x+b"))
        home = stack.enter_context(worker_home.created())
        worker, connection = _start(config, seeds, output, home, flags)
        with connection:
            try:
                meanwhile()
            except BaseException:
                kill(worker, patience=0.0)
                raise
            yield from _stream_records(worker, connection, received, watch, ending)
        if signals:
            raise _interruption(signals[0], received)
        if not received.done and ending.due:
            raise _too_slow(timeout, received)
        if not received.complete:
            raise _failure(received, worker, output)


@dataclass(frozen=True)
class _Ending:
    """When a measurement is ended from outside: after a signal, or at a time (monotonic)."""

    signals: list[int]
    deadline: float

    @property
    def due(self) -> bool:
        """Whether it is to end now."""
        return bool(self.signals) or time.monotonic() > self.deadline


class _Received:
    """The messages received so far: the seed in progress, and the record of the first seed.

    Other records are not kept, so that many seeds need the memory of one.
    """

    def __init__(self, seeds: Seeds) -> None:
        self._count, self._trained = len(seeds), len(seeds.trained)
        self.builder = RecordBuilder()
        self.last: dict[str, Any] = {"event": "none"}
        self._ended = 0
        self._first: RunRecord | None = None
        self._started = time.monotonic()

    def take(self, message: bytes) -> RunRecord | None:
        """Take one message; return the record of the seed that it ends.

        Raises `OutOfTurn` where a step does not follow the last one, or where a training is said to
        be complete and its last step did not come.
        """
        if self.last["event"] == "end":
            self.builder = RecordBuilder()
        self.last = add_message(message, self.builder)
        if self.last["event"] != "end":
            return None
        self._refuse_missing_end()
        record = self._built(OutcomeStatus(self.last["status"]), self.last["sentence"])
        self._started = time.monotonic()
        self._ended += record is not None
        if self._first is None:
            self._first = record
        return record

    def _refuse_missing_end(self) -> None:
        beginning, done = self.builder.beginning, self.builder.steps_done
        if beginning is None or self.last["status"] != OutcomeStatus.COMPLETE:
            return
        asked = beginning.steps_requested if self._ended < self._trained else 1
        if done != asked:
            raise OutOfTurn(f"the end came after step {done}, without step {asked}")

    def _built(self, status: OutcomeStatus, sentence: str) -> RunRecord | None:
        return self.builder.build(status, sentence, time.monotonic() - self._started)

    @property
    def complete(self) -> bool:
        """Whether every seed has its record."""
        return self._ended == self._count and self.last["event"] == "end"

    @property
    def done(self) -> bool:
        """Whether the worker will send no more."""
        return self._ended == self._count or self.last["event"] in ("refused", "failed")

    @property
    def steps_done(self) -> int:
        """Steps of the first seed so far."""
        return self._first.outcome.steps_done if self._first else self.builder.steps_done

    def first(self, sentence: str) -> RunRecord | None:
        """The first seed's record, partial where it had not ended."""
        return self._built(OutcomeStatus.PARTIAL, sentence) if self._first is None else self._first


def _start(
    config: ExperimentConfig, seeds: Seeds, output: IO[bytes], home: str, flags: Sequence[str]
) -> tuple[subprocess.Popen[bytes], Connection[bytes, bytes]]:
    """Start the worker in a new session, so that Ctrl-C reaches only the parent."""
    receiver, sender = Pipe(duplex=False)
    with sender:
        worker = subprocess.Popen(
            [
                sys.executable,
                "-P",
                "-m",
                "gradscope.runner.process.worker",
                str(sender.fileno()),
                *flags,
            ],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=worker_environment(config, home),
            pass_fds=[sender.fileno()],
            start_new_session=True,
        )
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError), worker.stdin as stdin:
        stdin.write(json.dumps({"config": config.to_dict(), "seeds": asdict(seeds)}).encode())
    return worker, receiver


def worker_environment(config: ExperimentConfig, home: str) -> dict[str, str]:
    """Only the variables a worker needs: many variables of Keras and TensorFlow change figures."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED_VARIABLES or key.startswith(_PASSED_PREFIXES)
    }
    if config.data.name in KERAS_DATASETS:
        kept |= {k: v for k, v in os.environ.items() if k == "KERAS_HOME"}
    else:
        kept["KERAS_HOME"] = home
    if config.device == "cpu":
        kept["CUDA_VISIBLE_DEVICES"] = "-1"
    return kept | {
        "KERAS_BACKEND": "tensorflow",
        "TF_CPP_MIN_LOG_LEVEL": "2",
        "TF_ENABLE_ONEDNN_OPTS": "0",
        "NVIDIA_TF32_OVERRIDE": "0",
        "MPLBACKEND": "Agg",
        "PYTHONFAULTHANDLER": "1",
        "TMPDIR": home,  # files of a killed worker are deleted with its home
    }


@contextlib.contextmanager
def recorded_stop_signals() -> Iterator[list[int]]:
    """Record the signals that ask to stop, where Python allows it; `_receive` reads the list.

    An exception in the handler could be raised while a step is half added to the record.
    """
    signals: list[int] = []

    def record(number: int, frame: Any) -> None:
        del frame
        signals.append(number)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGTERM and signal.getsignal(number) == signal.SIG_IGN:
                continue  # ignored by the parent: nohup, or a background job of a script
            with contextlib.suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, record)
        yield signals
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stream_records(
    worker: subprocess.Popen[bytes],
    connection: Connection[bytes, bytes],
    received: _Received,
    watch: Watcher,
    ending: _Ending,
) -> Iterator[RunRecord]:
    """Yield records until the worker has ended: by itself, or killed after a signal or too long."""
    try:
        yield from _receive(worker, connection, received, watch, ending)
    except BaseException:
        kill(worker, patience=0.0)
        raise
    stopped = ending.due
    kill(worker, patience=0.0 if stopped else 1.0)
    if stopped:
        _drain(connection, received)


def _receive(
    worker: subprocess.Popen[bytes],
    connection: Connection[bytes, bytes],
    received: _Received,
    watch: Watcher,
    ending: _Ending,
) -> Iterator[RunRecord]:
    """Take every message until the worker sends no more; yield each record at its end."""
    while not received.done and not ending.due:
        try:
            if not connection.poll(_POLL_SECONDS):
                if worker.poll() is None or connection.poll(0):
                    continue
                return
            message = connection.recv_bytes()
        except (EOFError, OSError):  # the worker ended, perhaps in the middle of a message
            return
        try:
            record = received.take(message)
        except OutOfTurn as error:
            raise _mixed(error, received) from error
        watch(received.last, received.builder)
        if record is not None:
            yield record


def _drain(connection: Connection[bytes, bytes], received: _Received) -> None:
    """Take what the killed worker had already sent."""
    with contextlib.suppress(EOFError, ConnectionError, OSError, ValueError):
        while connection.poll(0):
            received.take(connection.recv_bytes())


def kill(worker: subprocess.Popen[bytes], patience: float) -> None:
    """End the worker and whatever it started, after `patience` seconds to end by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def interrupted(number: int, remedy: str = "", moment: str = "") -> Interrupted:
    """The error that names the signal that stopped the measurement."""
    sentence = f"stopped by {signal.Signals(number).name} {moment}".strip()
    error = Interrupted(sentence, remedy)
    error.exit_code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
    return error


def _interruption(number: int, received: _Received) -> Interrupted:
    steps = received.steps_done
    moment = f"after step {steps}" if steps else "before the first step"
    error = interrupted(number, "", moment)
    error.partial = received.first(error.message)
    if steps and error.partial is not None:
        whole = error.partial.outcome.complete
        error.remedy = (
            f"what was measured is kept{', and complete' if whole else ', marked partial'}"
        )
    return error


def _mixed(fault: OutOfTurn, received: _Received) -> CouldNotMeasure:
    error = CouldNotMeasure(
        f"the figures of the worker are not those of one training: {fault}",
        "code of the network or the data must not fork this process",
    )
    error.partial = received.first(error.message)
    return error


def _too_slow(timeout: float | None, received: _Received) -> CouldNotMeasure:
    steps = received.steps_done
    moment = f"after step {steps}" if steps else "before the first step"
    error = CouldNotMeasure(
        f"stopped {moment}: it took longer than {timeout:g} s",
        "give it longer with --timeout, or take fewer steps",
    )
    error.partial = received.first(error.message)
    return error


def _failure(
    received: _Received, worker: subprocess.Popen[bytes], output: IO[bytes]
) -> BadRequest | CouldNotMeasure:
    """The exception that says why not every seed has its record."""
    last = received.last
    if last["event"] == "refused" and last["code"] == ExitCode.BAD_REQUEST:
        return BadRequest(last["message"], last["remedy"])
    message, remedy = worker_failure.explain(last, worker.returncode, output)
    error = CouldNotMeasure(message, remedy)
    error.partial = received.first(message.splitlines()[0])
    return error
