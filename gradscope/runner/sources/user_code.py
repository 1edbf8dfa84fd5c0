"""Run the user's code so that its errors show the user's own lines only."""

from __future__ import annotations

import contextlib
import linecache
import os
import re
import site
import sysconfig
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Final

from gradscope.errors import BadRequest, GradscopeError
from gradscope.message_text import sanitise

_GRADSCOPE: Final = Path(__file__).resolve().parents[2]
_SHOWN_FRAMES: Final = 8
_SHOWN_LINES: Final = 6
_COLOUR: Final = re.compile(r"\x1b\[[0-9;]*m")


@contextlib.contextmanager
def attributed_to_user(key: str, what: str, package: str = "") -> Iterator[None]:
    """Turn an exception of the user's code into a `BadRequest` that shows where it was raised.

    `what` names the code, `package` the top-level package it is in, which counts as the user's
    wherever it is installed. `SystemExit` is turned too. `MemoryError` passes through: it is no
    error of the code.
    """
    try:
        yield
    except (MemoryError, GradscopeError):
        raise
    except (Exception, SystemExit) as error:
        raise BadRequest(
            f"{key}: {what} raised {exception_text(error)}", user_frames(error, package)
        ) from error


def exception_text(error: BaseException) -> str:
    """The kind of an exception and its message, shortened and safe to print."""
    text = _COLOUR.sub("", str(error)).strip()
    lines = [sanitise(line.rstrip(), 200) for line in text.splitlines() if line.strip()]
    shown = "\n    ".join(lines[:_SHOWN_LINES])
    kind = sanitise(type(error).__name__)
    more = "\n    ..." if len(lines) > _SHOWN_LINES else ""
    return f"{kind}: {shown}{more}" if shown else kind


def user_frames(error: BaseException, package: str = "") -> str:
    """The frames of the user's code in an exception's traceback, innermost last."""
    walked = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_user_frame(frame, package)
    ]
    shown = [_frame(frame, line) for frame, line in walked[-_SHOWN_FRAMES:]]
    if isinstance(error, SyntaxError) and error.filename:
        location = f"{_relative(error.filename)}:{error.lineno}"
        shown.append(f"{location}\n      {sanitise((error.text or '').strip(), 200)}")
    return "\n  ".join(["in your code:", *(f"  {text}" for text in shown)]) if shown else ""


_INSTALLED = {"site-packages", "dist-packages"}
"""Folders of installed packages, of this environment or one that it adds to its path."""


def is_user_frame(frame: FrameType, package: str = "") -> bool:
    """Whether a frame is in the user's code: not in an installed library, not in gradscope."""
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if package and top == package:
        return True
    name = frame.f_code.co_filename
    if name.startswith("<"):
        return False
    path = Path(os.path.realpath(name))
    if not _INSTALLED.isdisjoint(path.parts):
        return False
    return not any(path.is_relative_to(folder) for folder in _library_folders())


def _library_folders() -> list[Path]:
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    return [_GRADSCOPE, *(Path(os.path.realpath(folder)) for folder in folders)]


def _frame(frame: FrameType, line: int) -> str:
    name = frame.f_code.co_filename
    source = linecache.getline(name, line, frame.f_globals).strip()
    location = f"{_relative(name)}:{line}, in {sanitise(frame.f_code.co_name)}"
    return f"{location}\n      {sanitise(source, 200)}" if source else location


def _relative(name: str) -> str:
    """A path as the user would type it."""
    with contextlib.suppress(ValueError, OSError):
        return sanitise(str(Path(name).relative_to(Path.cwd())), 300)
    return sanitise(name, 300)
