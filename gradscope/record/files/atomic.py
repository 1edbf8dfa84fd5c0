"""Write files so that a reader finds the old content or the new one, never a part of it."""

from __future__ import annotations

import contextlib
import glob
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from gradscope.errors import CouldNotMeasure

_TEMPORARY = re.compile(r"\..+\.(\d{1,9})\.tmp")


def write(path: Path, content: bytes) -> None:
    """Replace the file at `path` by `content`, or leave it as it was; see `writing`."""
    with writing(path, len(content)) as file:
        file.write(content)


@contextlib.contextmanager
def writing(path: Path, size: int | None = None) -> Iterator[BinaryIO]:
    """Open a file that replaces the one at `path` at the end, or leaves it as it was.

    `size` is the number of bytes that will be written, where it is known.

    The bytes are written to a temporary file in the same folder, flushed to the disk and renamed;
    the folder is flushed too, so that a crash cannot undo the rename. Raises `CouldNotMeasure`
    with the path and the size when the disk refuses.
    """
    new = temporary(path)
    written = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        new.unlink(missing_ok=True)  # a link of that name is not followed
        with new.open("xb") as file:
            try:
                yield file
            finally:
                written = file.tell()
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except BaseException as error:
        with contextlib.suppress(OSError):
            new.unlink()
        if not isinstance(error, OSError):
            raise
        size = written if size is None else size
        raise CouldNotMeasure(
            f"cannot write {path} ({size} bytes): {error.strerror or error}",
            "free some space or choose another folder with --output",
        ) from error
    with contextlib.suppress(OSError):  # some file systems cannot, and the file is written
        _flush_folder(path.parent)


def temporary(path: Path) -> Path:
    """The file beside `path` that this process writes before it is renamed to `path`."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def remove_abandoned(folder: Path, name: str = "*") -> None:
    """Remove the temporary files in `folder` of processes that were killed while they wrote.

    With `name`, only those of the file of that name.
    """
    pattern = name if name == "*" else glob.escape(name)
    for path in folder.glob(f".{pattern}.*.tmp"):
        match = _TEMPORARY.fullmatch(path.name)
        if match and not is_running(int(match[1])):
            with contextlib.suppress(OSError):
                path.unlink()


def is_running(process: int) -> bool:
    """Whether a process has this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
