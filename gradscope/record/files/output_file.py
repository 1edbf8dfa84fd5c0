"""Files that the user names for output: what they may replace, and how they are written.

A regular file is replaced as a whole (`atomic.write`), through a link at the file that the link
names. A device or a pipe is opened and written to, as the shell's ``>`` does; it is never
replaced. A socket, which ``>`` cannot open, is refused.
"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from gradscope.errors import BadRequest, CouldNotMeasure
from gradscope.message_text import sanitise
from gradscope.record.files import atomic

_STREAM_FOLDERS = ("/dev/", "/proc/")
_SHOWN = 300
"""Characters of a path in a message."""


def write(path: Path, content: bytes) -> None:
    """Write `content` to the file, device or pipe at `path`.

    Raises `CouldNotMeasure` with the path where that fails; a regular file then is as it was. A
    reader that closes its pipe early is no failure.
    """
    write_parts(path, [content], len(content))


def write_parts(path: Path, parts: Iterable[bytes], size: int | None = None) -> None:
    """Write `parts` one after another, as `write` does; `size` is their sum, where it is known."""
    if not _is_stream(path):
        with atomic.writing(Path(os.path.realpath(path)), size) as file:
            file.writelines(parts)
        return
    written = 0
    try:
        with contextlib.suppress(BrokenPipeError), open(_opened(path), "wb") as stream:
            for part in parts:
                written += len(part)
                stream.write(part)
    except OSError as error:
        raise CouldNotMeasure(
            f"cannot write {path} ({size or written} bytes): {error.strerror or error}",
            "name another file",
        ) from error


def _opened(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)


def _is_stream(path: Path) -> bool:
    """Whether `path` is something to write into; a redirected /dev/stdout counts."""
    kind = _kind(path)
    if kind is None or stat.S_ISDIR(kind):
        return False
    return not stat.S_ISREG(kind) or str(path.absolute()).startswith(_STREAM_FOLDERS)


def _kind(path: Path) -> int | None:
    """The mode of what `path` leads to; None where there is nothing."""
    try:
        return path.stat().st_mode
    except OSError:
        return None


def check_outputs(outputs: Sequence[Path], inputs: Iterable[Path] = ()) -> None:
    """Refuse outputs that cannot be written, that are the same file, or that are an input.

    Nothing is left behind, and temporary files beside them of killed processes are removed. Raises
    `BadRequest` for the first one.
    """
    read = [path for path in inputs if _kind(path) is not None]
    for index, path in enumerate(outputs):
        if _is_stream(path):
            if stat.S_ISSOCK(_kind(path) or 0):
                raise BadRequest(f"cannot write {path}: it is a socket", "name another file")
            if not os.access(path, os.W_OK):
                raise BadRequest(f"cannot write {path}: permission denied", "name another file")
            continue
        _refuse_unwritable(path)
        for other in outputs[:index]:
            if os.path.realpath(path) == os.path.realpath(other) or _same(path, other):
                raise BadRequest(f"{path} is the output of two options", "name two files")
        for other in read:
            if _same(path, other):
                raise BadRequest(
                    f"{path} would replace {other}, which this command reads", "name another file"
                )
        atomic.remove_abandoned(path.parent, path.name)


def _same(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


def _refuse_unwritable(path: Path) -> None:
    """Refuse a path at which no regular file can be written."""
    shown = sanitise(str(path), _SHOWN)
    try:
        target = Path(os.path.realpath(path))
        if not path.name or target.is_dir():
            raise BadRequest(f"cannot write {shown}: it is a folder", "name a file")
        if not target.parent.is_dir():
            raise BadRequest(
                f"cannot write {shown}: there is no folder {target.parent}",
                "make it first, or name a file in a folder that exists",
            )
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(None, "permission denied")
        atomic.temporary(target).stat()  # a name may be too long
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unwritable(shown, error) from error
    try:
        with tempfile.TemporaryFile(dir=target.parent) as probe:
            probe.write(b" ")
    except OSError as error:
        raise _unwritable(shown, error) from error


def _unwritable(shown: str, error: OSError) -> BadRequest:
    return BadRequest(f"cannot write {shown}: {error.strerror or error}", "name another file")
