"""The folder of a run: the record, and every form of the report that is made from it.

``reports/<name>`` is always the newest run of that name, so that the page open in a browser, the
paths in a script and `gradscope report NAME` follow the work; an earlier run moves to
``reports/<name>-2``, the next to ``-3`` and so on. It moves when something new was measured, so a
run that fails changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.record import RunRecord, storage
from gradscope.record.files import atomic
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import html, plots, result_json

REPORTS = Path("reports")
"""The folder of all reports, unless the user names one."""

RECORD, RESULT, PAGE, LOG = "record.npz", "result.json", "report.html", "run.log"
CHECK = "check.json"
"""The check that the run is part of, in the folder of a check."""

COMMAND = "command.txt"
"""The command line that measured the record."""

FAULTS = "faults.txt"
"""Tracebacks of side computations that failed, for a bug report; only where there are any."""

LIVE_LOG = "running.log"
"""The log while a network is measured; it becomes `LOG` once something was."""

_LOCK = ".lock"


@contextlib.contextmanager
def claimed(folder: Path, *, replace: bool = False) -> Iterator[None]:
    """Lock `folder` for one run: create it, and check that it can be written.

    Raises `BadRequest` when it cannot be written, is in use by another run, or holds a file that a
    report would replace and that gradscope did not write, unless `replace` is given. At the end the
    live log is removed, and so are folders that were created here and are still empty.
    """
    lock = folder / _LOCK
    try:
        created = [path for path in (folder, *folder.parents) if not path.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    except (OSError, RecursionError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise BadRequest(
            f"cannot write to {sanitise(str(folder), 300)}: {reason}",
            "choose another folder with --output",
        ) from error
    try:
        _lock(descriptor, lock)
        try:
            _refuse_irregular(folder)
            if not replace:
                _refuse_foreign(folder)
            atomic.remove_abandoned(folder)
            try:
                yield
            finally:
                _remove(folder / LIVE_LOG)
        finally:
            _remove(lock)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # a report is in it
            for path in created:
                path.rmdir()


def _remove(path: Path) -> None:
    """Remove a file, unless its folder is no folder any more."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


def _lock(descriptor: int, lock: Path) -> None:
    """Take the lock; the system releases it when this process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), lock.stat()):
            raise BlockingIOError  # the other run has just ended and removed the file
    except OSError as error:
        raise BadRequest(
            f"{lock.parent} is in use by another run",
            "wait for it, or give this run a --name or an --output",
        ) from error


def _refuse_irregular(folder: Path) -> None:
    """Refuse a folder in which a device, a pipe or a folder has the name of a report's file."""
    for name in (RESULT, RECORD, *_page_names(), CHECK, LOG, LIVE_LOG, COMMAND):
        path = folder / name
        if path.is_symlink() or not path.exists() or path.is_file():
            continue
        raise BadRequest(
            f"{path} is not a regular file, and a report needs that name",
            "move it, or choose another folder with --output",
        )


def _refuse_foreign(folder: Path) -> None:
    """Refuse to replace what gradscope did not write."""
    foreign = None if holds_report(folder) else next(_written_in(folder), None)
    if foreign is not None:
        raise BadRequest(
            f"{foreign} would be replaced, and gradscope did not write it",
            "choose another folder with --output, or move the file",
        )


def holds_report(folder: Path) -> bool:
    """Whether `folder` has a result or a record of gradscope, of any version, whole or not."""
    result = folder / RESULT
    with contextlib.suppress(OSError):
        if result.is_file() and b'"gradscope.result/' in _head(result):
            return True
    with contextlib.suppress(OSError, zipfile.BadZipFile):
        record = folder / RECORD
        return record.is_file() and _archive_names(record) >= {"meta.npy", "steps.npy"}
    return False


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(200)


def _archive_names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def _written_in(folder: Path) -> Iterator[Path]:
    """The files in `folder` that have the name of one of a report's."""
    for name in (RESULT, RECORD, *_page_names(), CHECK, LOG, COMMAND):
        if os.path.lexists(folder / name):
            yield folder / name


def move_earlier(folder: Path) -> Path | None:
    """Move what a claimed `folder` holds to the next numbered folder beside it, and give that.

    None where there is nothing that a report would replace.
    """
    if next(_written_in(folder), None) is None:
        return None
    target = _next_numbered(folder)
    for path in sorted(folder.iterdir()):
        if path.name not in (_LOCK, LIVE_LOG):
            path.rename(target / path.name)
    return target


def move_back(earlier: Path, folder: Path) -> None:
    """Undo `move_earlier`, which gave `earlier`: `folder` holds what it held before."""
    for path in sorted(earlier.iterdir()):
        path.replace(folder / path.name)
    earlier.rmdir()


def _next_numbered(folder: Path) -> Path:
    """Create ``<folder>-N``, where N is above every number in use, and at least 2."""
    pattern = re.compile(re.escape(folder.name) + r"-(\d{1,9})")
    used = [int(m[1]) for path in folder.parent.iterdir() if (m := pattern.fullmatch(path.name))]
    for number in itertools.count(max([1, *used]) + 1):
        target = folder.with_name(f"{folder.name}-{number}")
        with contextlib.suppress(FileExistsError):  # of another run of this moment
            target.mkdir()
            return target
    raise AssertionError  # never: the numbers do not end


def keep_log(folder: Path) -> None:
    """Keep the live log: something was measured."""
    with contextlib.suppress(FileNotFoundError):
        (folder / LIVE_LOG).replace(folder / LOG)


def write_record(record: RunRecord, folder: Path) -> Path:
    """Write the record alone."""
    storage.save(record, folder / RECORD)
    return folder / RECORD


def write_result(report: Report, folder: Path) -> Path:
    """Write ``result.json``."""
    atomic.write(folder / RESULT, result_json.json_text(report, ReportOptions()).encode())
    return folder / RESULT


def remove_pages(folder: Path) -> None:
    """Remove the pages of an earlier run or check: they do not belong to the new record."""
    for name in (*_page_names(), CHECK):
        (folder / name).unlink(missing_ok=True)


def _page_names() -> tuple[str, ...]:
    return (PAGE, FAULTS, *(f"{name}.{form}" for name in plots.NAMES for form in ("png", "svg")))


def prepare_pages() -> None:
    """Import what drawing needs while the run trains; errors are raised again when it draws."""
    with contextlib.suppress(Exception):
        plots.prepare()


def _tracebacks(report: Report) -> list[str]:
    """The tracebacks of crashed checks and side computations, each under what crashed."""
    crashed = [(v.name, v.traceback) for v in report.diagnosis.verdicts if v.traceback]
    return [
        f"{computation}\n{traceback}"
        for computation, traceback in (
            *((f.computation, f.traceback) for f in report.faults),
            *crashed,
        )
    ]


def write_pages(report: Report, folder: Path, options: ReportOptions | None = None) -> list[Path]:
    """Draw the plots and write them and ``report.html``, whose commands name what `options` do."""
    drawn = plots.files(report)
    report = replace(report, page_faults=drawn.faults)
    if tracebacks := _tracebacks(report):
        atomic.write(folder / FAULTS, "\n".join(tracebacks).encode())
    paths = []
    for name, content in drawn.files.items():
        atomic.write(folder / name, content)
        paths.append(folder / name)
    svg = {
        name.removesuffix(".svg"): content.decode()
        for name, content in drawn.files.items()
        if name.endswith(".svg")
    }
    atomic.write(folder / PAGE, html.render(report, svg, options).encode())
    return [folder / PAGE, *paths]
