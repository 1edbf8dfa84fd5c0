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
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import IO, Any

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest, CouldNotMeasure, ExitCode, Interrupted
from gradscope.record.builder import RecordBuilder
from gradscope.record.run_record import RunRecord
from gradscope.runner.keras_data import KERAS_DATASETS
from gradscope.runner.messages import take

Watcher = Callable[[dict[str, Any], RecordBuilder], None]
"""Called for every message of the worker: its header, and the record so far."""

_PASSED_ON = (
    "PATH",
    "HOME",
    "TMPDIR",
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
    """Measure `config` in a process of its own and give the record.

    `flags` go to the worker: ``--trust-model``, ``--survey``. `meanwhile` runs here while the
    worker imports TensorFlow; what it raises ends the worker.

    Everything the worker prints goes to `log` (default: a temporary file). Raises what the worker
    refused as `BadRequest`; `CouldNotMeasure` when it failed or was killed; `Interrupted` after
    SIGINT, SIGTERM or SIGHUP. The last two carry the record of the steps so far as ``partial``.
    """
    started = time.monotonic()
    builder = RecordBuilder()
    with _stop_noted() as asked, contextlib.ExitStack() as stack:
        output: IO[bytes]
        if log is None:
            output = stack.enter_context(tempfile.TemporaryFile())
        else:
            output = stack.enter_context(log.open("w+b"))
        home = stack.enter_context(tempfile.TemporaryDirectory(prefix="gradscope-"))
        worker, connection = _start(config, output, home, flags)
        with connection:
            try:
                meanwhile()
            except BaseException:
                _kill(worker, patience=0.0)
                raise
            last = _heard(worker, connection, builder, watch, asked)
        seconds = time.monotonic() - started
        if asked:
            raise _interrupted(asked[0], builder, seconds)
        return _settled(last, worker, builder, output, seconds)


def _start(
    config: ExperimentConfig, output: IO[bytes], home: str, flags: Sequence[str]
) -> tuple[subprocess.Popen[bytes], Connection[bytes, bytes]]:
    """Start the worker in a session of its own, so that Ctrl-C reaches only the parent."""
    receiver, sender = Pipe(duplex=False)
    with sender:
        worker = subprocess.Popen(
            [sys.executable, "-P", "-m", "gradscope.runner.worker", str(sender.fileno()), *flags],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=_environment(config, home),
            pass_fds=[sender.fileno()],
            start_new_session=True,
        )
    assert worker.stdin is not None
    with contextlib.suppress(BrokenPipeError), worker.stdin as stdin:
        stdin.write(json.dumps(config.to_dict()).encode())
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
    }


@contextlib.contextmanager
def _stop_noted() -> Iterator[list[int]]:
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
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # nohup
            with contextlib.suppress(ValueError):  # not in the main thread
                before[number] = signal.signal(number, note)
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _heard(
    worker: subprocess.Popen[bytes],
    connection: Connection[bytes, bytes],
    builder: RecordBuilder,
    watch: Watcher,
    asked: list[int],
) -> dict[str, Any]:
    """Listen until the worker has ended: by itself, or by force once a stop is `asked` for."""
    try:
        last = _listen(worker, connection, builder, watch, asked)
    except BaseException:
        _kill(worker, patience=0.0)
        raise
    _kill(worker, patience=0.0 if asked else 1.0)
    if asked:
        _drain(connection, builder)
    return last


def _listen(
    worker: subprocess.Popen[bytes],
    connection: Connection[bytes, bytes],
    builder: RecordBuilder,
    watch: Watcher,
    asked: list[int],
) -> dict[str, Any]:
    """Take every message until the worker has no more to say; gives the last one's header."""
    last: dict[str, Any] = {"event": "none"}
    while last["event"] not in ("end", "refused", "failed") and not asked:
        try:
            if not connection.poll(_POLL_SECONDS):
                if worker.poll() is None or connection.poll(0):
                    continue
                return last
            message = connection.recv_bytes()
        except (EOFError, OSError):  # it is gone, perhaps in the middle of a message
            return last
        last = take(message, builder)
        watch(last, builder)
    return last


def _drain(connection: Connection[bytes, bytes], builder: RecordBuilder) -> None:
    """Take what the killed worker had already sent."""
    with contextlib.suppress(EOFError, ConnectionError, OSError, ValueError):
        while connection.poll(0):
            take(connection.recv_bytes(), builder)


def _kill(worker: subprocess.Popen[bytes], patience: float) -> None:
    """End the worker and whatever it started, after `patience` seconds to end by itself."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        worker.wait(patience)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()


def _interrupted(number: int, builder: RecordBuilder, seconds: float) -> Interrupted:
    steps = builder.steps_done
    moment = f"after step {steps}" if steps else "before the first step"
    sentence = f"stopped by {signal.Signals(number).name} {moment}"
    error = Interrupted(sentence, "what was measured is kept, marked partial" if steps else "")
    error.exit_code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
    error.partial = builder.build("partial", sentence, seconds)
    return error


def _settled(
    last: dict[str, Any],
    worker: subprocess.Popen[bytes],
    builder: RecordBuilder,
    output: IO[bytes],
    seconds: float,
) -> RunRecord:
    """Turn the worker's last word into a record or into the exception that explains its absence."""
    if last["event"] == "end":
        record = builder.build(last["status"], last["sentence"], seconds)
        if record is not None:
            return record
    if last["event"] == "refused" and last["code"] == ExitCode.BAD_REQUEST:
        raise BadRequest(last["message"], last["remedy"])
    message, remedy = _death(last, worker.returncode, output)
    error = CouldNotMeasure(message, remedy)
    error.partial = builder.build("partial", message.splitlines()[0], seconds)
    raise error


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
