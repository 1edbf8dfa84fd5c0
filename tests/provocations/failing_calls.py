"""Calls of the operating system that fail: the Nth of a piece of work, or all from the Nth on."""

from __future__ import annotations

import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

_CALLS = ("open", "fsync", "replace", "rename", "unlink", "remove", "mkdir")
"""Functions of `os` that change a file system; writes and the opening of files are counted too."""


class Failing:
    """Counts calls; the Nth raises, and with `lasting` every later one."""

    def __init__(self, number: int, *, lasting: bool, error: BaseException) -> None:
        self.number, self.lasting, self.error = number, lasting, error
        self.calls = 0

    def count(self) -> None:
        """Count one call, which may be the one that fails."""
        self.calls += 1
        if self.calls == self.number or (self.lasting and self.calls > self.number):
            raise self.error

    @property
    def untouched(self) -> bool:
        """Whether the work ended before its Nth call."""
        return self.calls < self.number


def disk_full() -> OSError:
    """What a full disk raises."""
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@contextlib.contextmanager
def failing_in(folder: Path, failing: Failing) -> Iterator[None]:
    """Let calls on paths in `folder`, and writes into files there, be counted by `failing`."""
    originals: dict[str, Any] = {name: getattr(os, name) for name in _CALLS}
    io_open = io.open

    class Raw(io.FileIO):
        def write(self, data: Any, /) -> int:
            failing.count()
            return super().write(data)

    def opened(file: Any, mode: str = "r", *arguments: Any, **options: Any) -> Any:
        probes = "opener" in options  # a temporary file without a name
        if probes or not _inside(file, folder) or not set(mode) & set("wxa+"):
            return io_open(file, mode, *arguments, **options)
        failing.count()
        if "b" not in mode:
            return io.TextIOWrapper(io.BufferedWriter(Raw(file, mode)), encoding="utf-8")
        raw = Raw(file, mode.replace("b", ""))
        return io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)

    def counted(call: Callable[..., Any]) -> Callable[..., Any]:
        def counting(first: Any, *arguments: Any, **options: Any) -> Any:
            if _inside(first, folder):
                failing.count()
            return call(first, *arguments, **options)

        return counting

    try:
        io.open = opened
        for name, call in originals.items():
            setattr(os, name, counted(call))
        os.fsync = lambda descriptor: failing.count()  # a real one takes most of the time
        yield
    finally:
        io.open = io_open
        for name, call in originals.items():
            setattr(os, name, call)


def _inside(path: Any, folder: Path) -> bool:
    try:
        return os.path.realpath(os.fspath(path)).startswith(str(folder))
    except TypeError:  # a descriptor
        return False
