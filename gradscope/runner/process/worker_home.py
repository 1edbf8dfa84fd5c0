"""The folder of a worker's temporary files and settings; it is removed with the worker."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
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
        yield home


def remove_abandoned(folder: Path) -> None:
    """Remove the folders in `folder` that killed processes of this user have left there."""
    with contextlib.suppress(OSError):
        for path in folder.glob("gradscope-*-*"):
            match = _NAME.fullmatch(path.name)
            if match and not atomic.is_running(int(match[1])) and _is_own_folder(path):
                shutil.rmtree(path, ignore_errors=True)


def _is_own_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink() and path.stat().st_uid == os.getuid()
