"""Why a worker ended without a result, from its last message, its exit code and its output."""

from __future__ import annotations

import contextlib
import os
import re
import signal
from typing import IO, Any

from gradscope.message_text import sanitise

_LINES = 6
_READ_BYTES = 16_000
_LONGEST_LINE = 300
_LESS_MEMORY = "ask for a smaller network, batch or probe set, or for more memory"
_OUT_OF_MEMORY = re.compile(
    r"OOM|bad_alloc|[Cc]annot allocate memory|failed to map segment|[Oo]ut of memory"
)
_NOISE = re.compile(r"cuInit|cuda_|cpu_feature_guard|rebuild TensorFlow|oneDNN|absl::InitializeLog")
"""What TensorFlow says at every start; it explains no failure."""


def explain(last: dict[str, Any], code: int, output: IO[bytes]) -> tuple[str, str]:
    """Give the message and the remedy of a worker that ended with exit code `code`.

    `last` is the header of its last message; `output` is what it printed.
    """
    if last["event"] == "refused":
        return last["message"], last["remedy"]
    lines = _last_lines(output)
    if last["event"] == "failed":
        kind, text = last["kind"], last["message"].splitlines() or [""]
        lacks_memory = kind in ("MemoryError", "ResourceExhaustedError") or _no_memory(text)
        message = f"the measurement failed with {kind}: {text[0][:300]}".removesuffix(": ")
        return message, _memory_remedy() if lacks_memory else _quoted(lines)
    if code < 0:
        name = signal.Signals(-code).name
        message = f"the worker was killed by {name} (signal {-code})"
        if name == "SIGKILL":
            return message, f"this is often the system running out of memory: {_LESS_MEMORY}"
    else:
        message = f"the worker ended with code {code} before it had a result"
    return message, _memory_remedy() if _no_memory(lines) else _quoted(lines)


def _memory_remedy() -> str:
    return f"the memory was not enough: {_LESS_MEMORY}"


def _no_memory(lines: list[str]) -> bool:
    return any(_OUT_OF_MEMORY.search(line) for line in lines)


def _last_lines(output: IO[bytes]) -> list[str]:
    """The last lines the worker printed that say why it ended.

    Of a report of Python's faulthandler that is the error and where it happened.
    """
    with contextlib.suppress(OSError, ValueError):
        output.seek(max(0, os.fstat(output.fileno()).st_size - _READ_BYTES))
        text = output.read().decode(errors="replace").strip()
        lines = [line for line in text.splitlines() if line.strip() and not _NOISE.search(line)]
        fatal = [n for n, line in enumerate(lines) if line.startswith("Fatal Python error")]
        return _fatal_error(lines[fatal[0] :]) if fatal else lines[-_LINES:]
    return []


def _fatal_error(lines: list[str]) -> list[str]:
    """The first line of faulthandler's report, and the place that ran."""
    return [lines[0], *[line for line in lines[1:] if line.lstrip().startswith("File ")][:1]]


def _quoted(lines: list[str]) -> str:
    """The lines, indented; none of them can be read as a command of a CI system."""
    safe = (sanitise(line, _LONGEST_LINE).replace("::", ": :") for line in lines)
    return "it said last:\n    " + "\n    ".join(safe) if lines else ""
