"""The user's own code is run as such: when it fails, they see their own lines and nothing else."""

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
def blamed(key: str, what: str, package: str = "") -> Iterator[None]:
    """Turn an exception of the user's code into a `BadRequest` that shows where it was raised.

    `what` names their code, `package` the top of the module it is in, which counts as theirs
    wherever it is installed. An exit they ask for is not obeyed. Running out of memory is not
    their code's fault and passes through.
    """
    try:
        yield
    except (MemoryError, GradscopeError):
        raise
    except (Exception, SystemExit) as error:
        raise BadRequest(f"{key}: {what} raised {said(error)}", frames(error, package)) from error


def said(error: BaseException) -> str:
    """Give the kind of an exception and its message, cut and safe to print."""
    text = _COLOUR.sub("", str(error)).strip()
    lines = [sanitise(line.rstrip(), 200) for line in text.splitlines() if line.strip()]
    shown = "\n    ".join(lines[:_SHOWN_LINES])
    kind = sanitise(type(error).__name__)
    more = "\n    ..." if len(lines) > _SHOWN_LINES else ""
    return f"{kind}: {shown}{more}" if shown else kind


def frames(error: BaseException, package: str = "") -> str:
    """Give the frames of the user's code in an exception's traceback, innermost last."""
    walked = [
        (frame, line)
        for frame, line in traceback.walk_tb(error.__traceback__)
        if is_users(frame, package)
    ]
    shown = [_frame(frame, line) for frame, line in walked[-_SHOWN_FRAMES:]]
    if isinstance(error, SyntaxError) and error.filename:
        place = f"{_relative(error.filename)}:{error.lineno}"
        shown.append(f"{place}\n      {sanitise((error.text or '').strip(), 200)}")
    return "\n  ".join(["in your code:", *(f"  {text}" for text in shown)]) if shown else ""


def is_users(frame: FrameType, package: str = "") -> bool:
    """Tell whether a frame is of the user's code: not of an installed library, not of gradscope."""
    top = str(frame.f_globals.get("__name__", "")).partition(".")[0]
    if package and top == package:
        return True
    name = frame.f_code.co_filename
    if name.startswith("<"):
        return False
    path = Path(os.path.realpath(name))
    return not any(path.is_relative_to(folder) for folder in _library_folders())


def _library_folders() -> list[Path]:
    paths = sysconfig.get_paths()
    folders = {paths[key] for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    folders |= {*site.getsitepackages(), site.getusersitepackages()}
    return [_GRADSCOPE, *(Path(os.path.realpath(folder)) for folder in folders)]


def _frame(frame: FrameType, line: int) -> str:
    name = frame.f_code.co_filename
    source = linecache.getline(name, line, frame.f_globals).strip()
    place = f"{_relative(name)}:{line}, in {sanitise(frame.f_code.co_name)}"
    return f"{place}\n      {sanitise(source, 200)}" if source else place


def _relative(name: str) -> str:
    """Give a path as the user would type it."""
    with contextlib.suppress(ValueError, OSError):
        return sanitise(str(Path(name).relative_to(Path.cwd())), 300)
    return sanitise(name, 300)
