"""Running the command in processes of its own, as a shell would, and watching them."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
STAND_IN = Path(__file__).parent / "stand_in"
COMMAND = (sys.executable, "-m", "gradscope")
TINY = """\
name: tiny
model: {depth: 2, width: 8}
data: {name: gaussian, samples: 64, features: 8, classes: 3}
training: {steps: 5}
seed: 1
"""
ENDLESS = ("-s", "training.steps=100000")
DEADLINE = 60.0


def write_tiny(folder: Path) -> None:
    """Put the config `tiny.yaml` into `folder`."""
    (folder / "tiny.yaml").write_text(TINY, encoding="utf-8")


def environment(folder: Path, *, stand_in: str | None = None, **extra: str) -> dict[str, str]:
    """A small environment, with this tree first; `stand_in` replaces TensorFlow in the worker.

    Warnings of the parent process are errors.
    """
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    paths = [str(STAND_IN)] * (stand_in is not None) + [str(ROOT), os.environ.get("PYTHONPATH", "")]
    return {
        **kept,
        "TMPDIR": str(folder),
        "PYTHONPATH": os.pathsep.join(path for path in paths if path),
        "PYTHONWARNINGS": "error",
        "OPENBLAS_NUM_THREADS": "1",  # its threads wait in a loop, a tenth of a second each time
        "GRADSCOPE_STAND_IN": stand_in or "",
        **extra,
    }


@contextlib.contextmanager
def default_signals() -> Iterator[None]:
    """Give SIGINT and SIGHUP their default effect in this process and in those started inside.

    A shell starts the background jobs of a script with SIGINT ignored, `nohup` ignores SIGHUP, and
    children inherit both.
    """
    default = {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}
    before = {number: signal.signal(number, handler) for number, handler in default.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run(
    folder: Path, *arguments: str, env: Mapping[str, str] | None = None, **options: Any
) -> subprocess.CompletedProcess[str]:
    """Run the command in `folder` until it ends."""
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=folder,
        env=dict(env if env is not None else environment(folder)),
        encoding="utf-8",
        timeout=DEADLINE,
        check=False,
        **streams | options,
    )


def refused(folder: Path, *arguments: str, **options: Any) -> str:
    """Run a command that must be a bad request; gives what it says."""
    done = run(folder, *arguments, **options)
    assert (done.returncode, done.stdout) == (2, ""), done.stderr
    assert "Traceback" not in done.stderr
    return done.stderr


def shell(
    folder: Path, line: str, env: Mapping[str, str], deadline: float = DEADLINE
) -> subprocess.CompletedProcess[str]:
    """Run a shell's line, in which $GRADSCOPE is the command."""
    return subprocess.run(
        ["sh", "-c", line],
        cwd=folder,
        env={**env, "GRADSCOPE": " ".join(COMMAND)},
        capture_output=True,
        encoding="utf-8",
        timeout=deadline,
        check=False,
    )


class Running:
    """A command that runs, its stderr in a file that can be read meanwhile.

    With `inherit_signals`, the command ignores the signals that this process ignores.
    """

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        env: Mapping[str, str],
        inherit_signals: bool = False,
    ) -> None:
        self._said = folder / "stderr.txt"
        signals = contextlib.nullcontext() if inherit_signals else default_signals()
        with signals, self._said.open("wb") as stderr:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=folder,
                env=dict(env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
            )

    def __enter__(self) -> Running:
        return self

    def __exit__(self, *trouble: object) -> None:
        self.process.kill()
        self.process.wait()

    @property
    def stderr(self) -> str:
        """What it has said so far."""
        return self._said.read_text(encoding="utf-8")

    def wait_until_said(self, text: str) -> None:
        """Wait for `text` on its stderr."""

        def said() -> bool:
            if text in self.stderr:
                return True
            assert self.process.poll() is None, f"it ended before it said {text!r}: {self.stderr}"
            return False

        until(said, f"it says {text!r}")

    def signal(self, *numbers: int) -> float:
        """Send the signals, wait for its end; gives the seconds that took."""
        started = time.monotonic()
        for number in numbers:
            self.process.send_signal(number)
        self.process.wait(DEADLINE)
        return time.monotonic() - started

    def worker(self) -> int:
        """The process id of its worker."""
        found: list[int] = []

        def there() -> bool:
            found[:] = [pid for pid, parent in workers() if parent == self.process.pid]
            return bool(found)

        until(there, "the worker is there")
        return found[0]


def workers() -> list[tuple[int, int]]:
    """The process ids of all gradscope workers, and of their parents."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if b"gradscope.runner.process.worker" in words:
            found.append((int(folder.name), int(parent)))
    return found


def until(condition: Callable[[], bool], what: str, seconds: float = DEADLINE) -> None:
    """Look again and again until `condition` holds; fails after `seconds`."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited {seconds} s in vain until {what}"
        time.sleep(0.02)


def strict_json(text: str) -> dict[str, Any]:
    """Parse JSON that holds neither NaN nor Infinity."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    parsed: dict[str, Any] = json.loads(text, parse_constant=refuse)
    return parsed


def result_in(folder: Path) -> dict[str, Any]:
    """The result.json of a report's folder."""
    return strict_json((folder / "result.json").read_text(encoding="utf-8"))
