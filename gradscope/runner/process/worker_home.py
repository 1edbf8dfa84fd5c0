"""The folder of a worker's temporary files and settings; it is removed with the worker."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

from gradscope.record.files import atomic

_NAME = re.compile(r"gradscope-(\d{1,9})-.+")


@contextlib.contextmanager
def created() -> Iterator[str]:
    """Create a folder for one worker, after a sweep of those whose processes were killed."""
    remove_abandoned(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(
        prefix=f"gradscope-{os.getpid()}-", ignore_cleanup_errors=True
    ) as home:
        try:
            yield home
        finally:
            end_processes(home)


def end_processes(home: str) -> None:
    """End what the worker of `home` started in sessions of their own, on Linux.

    The group of the worker was killed before; a process with a session of its own is in no group of
    it. It inherits the worker's variables, whose TMPDIR is `home` and nobody else's.
    """
    mark = os.fsencode(f"TMPDIR={home}")
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (folder / "environ").read_bytes().split(b"\0"):
                os.kill(int(folder.name), signal.SIGKILL)


def remove_abandoned(folder: Path) -> None:
    """Remove the folders in `folder` that killed processes of this user have left there."""
    with contextlib.suppress(OSError):
        for path in folder.glob("gradscope-*-*"):
            match = _NAME.fullmatch(path.name)
            if match and not atomic.is_running(int(match[1])) and _is_own_folder(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid()
