"""The folder of a run: the record, and every form of the report that is made from it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.record import RunRecord, atomic, storage
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import html, plots, result_json

RECORD, RESULT, PAGE, LOG = "record.npz", "result.json", "report.html", "run.log"
_LOCK = ".lock"


@contextlib.contextmanager
def claimed(folder: Path, config_hash: str, *, force: bool) -> Iterator[None]:
    """Lock `folder` for one run: create it, check that it can be written, refuse other runs.

    Raises `BadRequest` when it cannot be written, is in use, or holds the report of another config
    and `force` is not given. Folders that it created are removed if they stay empty.
    """
    lock = folder / _LOCK
    created = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise BadRequest(
            f"cannot write to {folder}: {error.strerror or error}",
            "choose another folder with --output",
        ) from error
    try:
        _lock(descriptor, lock)
        try:
            if not force:
                _refuse_others(folder, config_hash)
            yield
        finally:
            lock.unlink(missing_ok=True)
    finally:
        os.close(descriptor)
        with contextlib.suppress(OSError):  # a report is in it
            for path in created:
                path.rmdir()


def _lock(descriptor: int, lock: Path) -> None:
    """Take the lock; the system releases it when this process ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(descriptor), lock.stat()):
            raise BlockingIOError  # the other run has just ended and removed the file
    except OSError as error:
        raise BadRequest(
            f"{lock.parent} is in use by another run", "wait for it, or choose another --output"
        ) from error


def _refuse_others(folder: Path, config_hash: str) -> None:
    """Refuse to replace the report of another config."""
    path = folder / RESULT
    if not path.exists():
        return
    try:
        existing = json.loads(path.read_text(encoding="utf-8"))["environment"]["config_hash"]
    except (OSError, ValueError, KeyError, TypeError):
        existing = None
    if existing != config_hash:
        raise BadRequest(
            f"{folder} holds the report of another config",
            "give another name or --output, or replace it with --force",
        )


def write_record(record: RunRecord, folder: Path) -> Path:
    """Write the record alone."""
    storage.save(record, folder / RECORD)
    return folder / RECORD


def write_result(report: Report, folder: Path) -> Path:
    """Write ``result.json``."""
    atomic.write(folder / RESULT, result_json.json_text(report, ReportOptions()).encode())
    return folder / RESULT


def remove_pages(folder: Path) -> None:
    """Remove the pages of an earlier run: they do not belong to the new record."""
    pictures = [f"{name}.{form}" for name in plots.NAMES for form in ("png", "svg")]
    for name in (PAGE, *pictures):
        (folder / name).unlink(missing_ok=True)


def prepare_pages() -> None:
    """Import what drawing needs while the run trains; errors are raised again when it draws."""
    with contextlib.suppress(Exception):
        plots.prepare()


def write_pages(report: Report, folder: Path) -> list[Path]:
    """Draw the plots and write them and ``report.html``."""
    files = plots.files(report)
    paths = []
    for name, content in files.items():
        atomic.write(folder / name, content)
        paths.append(folder / name)
    svg = {
        name.removesuffix(".svg"): content.decode()
        for name, content in files.items()
        if name.endswith(".svg")
    }
    atomic.write(folder / PAGE, html.render(report, svg).encode())
    return [folder / PAGE, *paths]
