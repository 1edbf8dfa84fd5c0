"""The parent's side: starts the worker, listens, and keeps what was measured whatever happens.

This module never imports TensorFlow, so a bad request is answered at once and Ctrl-C is obeyed at
once, even while TensorFlow is deep inside a call that ignores it.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, CouldNotMeasure, ExitCode, Interrupted
from gradscope.record.builder import RecordBuilder
from gradscope.record.run_record import OutcomeStatus, RunRecord
from gradscope.runner.process.messages import take
from gradscope.runner.runtime.seeds import Seeds
from gradscope.runner.sources.keras_data import KERAS_DATASETS

Watcher = Callable[[dict[str, Any], RecordBuilder], None]
"""Called for every message of the worker: its header, and the record so far."""

_PASSED_ON = (
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
    config: ExperimentConfig,
    watch: Watcher,
    log: Path | None = None,
    flags: Sequence[str] = (),
    *,
    meanwhile: Callable[[], None] = lambda: None,
) -> RunRecord:
    """Measure `config` from its own seed in a process of its own and give the record.

    See `measure_seeds`, whose only seed it is.
    """
    seeds = Seeds(trained=(config.seed,))
    return measure_seeds(config, seeds, watch, log, flags, meanwhile=meanwhile)[0]


def measure_seeds(
    config: ExperimentConfig,
    seeds: Seeds,
    watch: Watcher,
    log: Path | None = None,
    flags: Sequence[str] = (),
    *,
    meanwhile: Callable[[], None] = lambda: None,
    stop: list[int] | None = None,
) -> list[RunRecord]:
    """Measure `config` from several seeds in one process of its own; one record per seed, in order.

    See `stream_seeds`, of which these are all records.
    """
    return list(stream_seeds(config, seeds, watch, log, flags, meanwhile=meanwhile, stop=stop))


def stream_seeds(
    config: ExperimentConfig,
    seeds: Seeds,
    watch: Watcher,
    log: Path | None = None,
    flags: Sequence[str] = (),
    *,
    meanwhile: Callable[[], None] = lambda: None,
    stop: list[int] | None = None,
) -> Iterator[RunRecord]:
    """Measure `config` from several seeds in one process of its own; give each record at its end.

    Closing the iterator ends the worker. Only the first record is kept here.

    `flags` go to the worker: ``--trust-model``, ``--survey``, ``--deterministic``. `meanwhile` runs
    here while the worker imports TensorFlow; what it raises ends the worker. `stop` is where the
    caller, who has `stop_noted`, notes signals; without it they are noted here.

    Everything the worker prints goes to `log` (default: a temporary file). Raises what the worker
    refused as `BadRequest`; `CouldNotMeasure` when it failed or was killed; `Interrupted` after
    SIGINT, SIGTERM or SIGHUP. The last two carry the first seed's record so far as ``partial``.
    """
    heard = _Heard(len(seeds))
    noted = stop_noted() if stop is None else contextlib.nullcontext(stop)
    with noted as asked, contextlib.ExitStack() as stack:
        output: IO[bytes]
        if log is None:
            output = stack.enter_context(tempfile.TemporaryFile())
        else:
            output = stack.enter_context(log.open("w+b"))
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="gradscope-"))
        worker, connection = _start(config, seeds, output, home, flags)
        with connection:
            try:
                meanwhile()
            except BaseException:
                _kill(worker, patience=0.0)
                raise
            yield from _hear_out(worker, connection, heard, watch, asked)
        if asked:
            raise _interrupted_in(asked[0], heard)
        if not heard.complete:
            raise _explained(heard, worker, output)


class _Heard:
    """What the worker has told so far: the seed it is at, and the record of the first.

    The records of the others are given away, so that many seeds need the memory of one.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self.builder = RecordBuilder()
        self.last: dict[str, Any] = {"event": "none"}
        self._ended = 0
        self._first: RunRecord | None = None
        self._started = time.monotonic()

    def take(self, message: bytes) -> RunRecord | None:
        """Take one message; gives the record of the seed that it ends."""
        if self.last["event"] == "end":
            self.builder = RecordBuilder()
        self.last = take(message, self.builder)
        if self.last["event"] != "end":
            return None
        record = self._built(OutcomeStatus(self.last["status"]), self.last["sentence"])
        self._started = time.monotonic()
        self._ended += record is not None
        if self._first is None:
            self._first = record
        return record

    def _built(self, status: OutcomeStatus, sentence: str) -> RunRecord | None:
        return self.builder.build(status, sentence, time.monotonic() - self._started)

    @property
    def complete(self) -> bool:
        """Whether every seed has its record."""
        return self._ended == self._count and self.last["event"] == "end"

    @property
    def done(self) -> bool:
        """Whether the worker has no more to say."""
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
    """Start the worker in a session of its own, so that Ctrl-C reaches only the parent."""
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
            env=_environment(config, home),
            pass_fds=[sender.fileno()],
            start_new_session=True,
        )
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError), worker.stdin as stdin:
        stdin.write(json.dumps({"config": config.to_dict(), "seeds": asdict(seeds)}).encode())
    return worker, receiver


def _environment(config: ExperimentConfig, home: str) -> dict[str, str]:
    """Only what a worker needs: Keras and TensorFlow obey many variables that change figures."""
    kept = {
        key: value
        for key, value in os.environ.items()
        if key in _PASSED_ON or key.startswith(_PASSED_PREFIXES)
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
        "TMPDIR": home,  # what is left there by a worker that is killed goes with its home
    }


@contextlib.contextmanager
def stop_noted() -> Iterator[list[int]]:
    """Note the signals that ask to stop, where Python allows it, for `_listen` to obey.

    An exception out of the handler could strike while a step is half taken into the record.
    """
    asked: list[int] = []

    def note(number: int, frame: Any) -> None:
        del frame
        asked.append(number)

    before: dict[signal.Signals, Any] = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if number != signal.SIGTERM and signal.getsignal(number) == signal.SIG_IGN:
                continue  # ignored by the parent: nohup, or a background job of a script
            with contextlib.suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, note)
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _hear_out(
    worker: subprocess.Popen[bytes],
    connection: Connection[bytes, bytes],
    heard: _Heard,
    watch: Watcher,
    asked: list[int],
) -> Iterator[RunRecord]:
    """Give records until the worker has ended: by itself, or by force after a signal."""
    try:
        yield from _listen(worker, connection, heard, watch, asked)
    except BaseException:
        _kill(worker, patience=0.0)
        raise
    _kill(worker, patience=0.0 if asked else 1.0)
    if asked:
        _drain(connection, heard)


def _listen(
    worker: subprocess.Popen[bytes],
    connection: Connection[bytes, bytes],
    heard: _Heard,
    watch: Watcher,
    asked: list[int],
) -> Iterator[RunRecord]:
    """Take every message until the worker has no more to say; give each record at its end."""
    while not heard.done and not asked:
        try:
            if not connection.poll(_POLL_SECONDS):
                if worker.poll() is None or connection.poll(0):
                    continue
                return
            message = connection.recv_bytes()
        except (EOFError, OSError):  # it is gone, perhaps in the middle of a message
            return
        record = heard.take(message)
        watch(heard.last, heard.builder)
        if record is not None:
            yield record


def _drain(connection: Connection[bytes, bytes], heard: _Heard) -> None:
    """Take what the killed worker had already sent."""
    with contextlib.suppress(EOFError, ConnectionError, OSError, ValueError):
        while connection.poll(0):
            heard.take(connection.recv_bytes())


def _kill(worker: subprocess.Popen[bytes], patience: float) -> None:
    """End the worker and whatever it started, after `patience` seconds to end by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def interrupted(number: int, remedy: str = "", moment: str = "") -> Interrupted:
    """The error that says which signal stopped everything."""
    sentence = f"stopped by {signal.Signals(number).name} {moment}".strip()
    error = Interrupted(sentence, remedy)
    error.exit_code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
    return error


def _interrupted_in(number: int, heard: _Heard) -> Interrupted:
    steps = heard.steps_done
    moment = f"after step {steps}" if steps else "before the first step"
    remedy = "what was measured is kept, marked partial" if steps else ""
    error = interrupted(number, remedy, moment)
    error.partial = heard.first(error.message)
    return error


def _explained(
    heard: _Heard, worker: subprocess.Popen[bytes], output: IO[bytes]
) -> BadRequest | CouldNotMeasure:
    """The exception that explains why not every seed has its record."""
    last = heard.last
    if last["event"] == "refused" and last["code"] == ExitCode.BAD_REQUEST:
        return BadRequest(last["message"], last["remedy"])
    message, remedy = _death(last, worker.returncode, output)
    error = CouldNotMeasure(message, remedy)
    error.partial = heard.first(message.splitlines()[0])
    return error


def _death(last: dict[str, Any], code: int, output: IO[bytes]) -> tuple[str, str]:
    """Say why the worker ended without a result."""
    if last["event"] == "refused":
        return last["message"], last["remedy"]
    memory = "ask for a smaller network, batch or probe set, or for more memory"
    if last["event"] == "failed":
        kind, text = last["kind"], last["message"].splitlines() or [""]
        out_of_memory = kind in ("MemoryError", "ResourceExhaustedError") or "OOM" in text[0]
        message = f"the measurement failed with {kind}: {text[0][:300]}".removesuffix(": ")
        return message, memory if out_of_memory else _tail(output)
    if code < 0:
        name = signal.Signals(-code).name
        message = f"the worker was killed by {name} (signal {-code})"
        if name == "SIGKILL":
            return message, f"this is often the system running out of memory: {memory}"
        return message, _tail(output)
    return f"the worker ended with code {code} before it had a result", _tail(output)


def _tail(output: IO[bytes], lines: int = 6) -> str:
    """The last lines the worker printed, for the reader of the error."""
    with contextlib.suppress(OSError, ValueError):
        output.seek(max(0, os.fstat(output.fileno()).st_size - 4000))
        text = output.read().decode(errors="replace").strip().splitlines()[-lines:]
        return "it said last:\n    " + "\n    ".join(text) if text else ""
    return ""
