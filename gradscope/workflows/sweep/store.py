"""The folder of a sweep: each finished member at once, the table and the pages at the end.

``members/<key>.json`` and ``.npz`` are of one member; the key says what was measured and by which
code, so that the same command goes on where it stopped and a changed one measures only what is new.
"""

from __future__ import annotations

import contextlib
import csv
import fcntl
import hashlib
import io
import json
import os
import shutil
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest
from gradscope.message_text import sanitise
from gradscope.record.files import atomic
from gradscope.record.sweep_table import FILE, SCHEMA, TABLE, Look, SweepTable, csv_lines
from gradscope.workflows.sweep.jobs import JobResult

MEMBERS = "members"
PARQUET = "table.parquet"
_LOCK = ".lock"


@cache
def code_version() -> str:
    """The version of gradscope, and a digest of its source: what a stored member was made by."""
    root = Path(__file__).parents[2]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return f"{version('gradscope-keras')}+{digest.hexdigest()[:10]}"


def member_key(config: ExperimentConfig, look: Look) -> str:
    """Identify a measurement: everything but the name and the budgets, the look, and the code."""
    tree = config.to_dict()
    del tree["name"], tree["expect"]
    text = json.dumps([tree, str(look), code_version()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


class SweepFolder:
    """The folder of one sweep; use `claimed` before anything is written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._members = path / MEMBERS

    @contextlib.contextmanager
    def claimed(self, *, fresh: bool = False) -> Iterator[None]:
        """Create and lock the folder; with `fresh`, remove what an earlier sweep has left.

        Raises `BadRequest` where it cannot be written, is in use, or holds something else.
        """
        lock = self.path / _LOCK
        try:
            existed = self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            foreign = existed and not self._is_sweep() and any(self.path.iterdir())
            if foreign:
                raise BadRequest(
                    f"{self.path} holds something that is no sweep",
                    "choose another folder with --output",
                )
            descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644)
        except OSError as error:
            raise BadRequest(
                f"cannot write to {sanitise(str(self.path), 300)}: {error.strerror or error}",
                "choose another folder with --output",
            ) from error
        try:
            self._lock(descriptor)
            if fresh:
                self._remove()
            self._members.mkdir(exist_ok=True)
            atomic.remove_abandoned(self._members)
            yield
        finally:
            lock.unlink(missing_ok=True)
            os.close(descriptor)

    def _is_sweep(self) -> bool:
        return (
            (self.path / FILE).is_file()
            or self._members.is_dir()
            or ({item.name for item in self.path.iterdir()} <= {_LOCK})
        )

    def _lock(self, descriptor: int) -> None:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise BadRequest(
                f"{self.path} is in use by another sweep", "wait for it, or give another --output"
            ) from error

    def _remove(self) -> None:
        shutil.rmtree(self._members, ignore_errors=True)
        for path in self.path.iterdir():
            if path.is_file() and path.name != _LOCK:
                path.unlink()

    def record_name(self, key: str) -> str:
        """The path of a member's record, relative to the folder."""
        return f"{MEMBERS}/{key}.npz"

    def keep(self, result: JobResult) -> None:
        """Write a finished member: its record first, so that its row is never without."""
        if result.record:
            atomic.write(self._members / f"{result.key}.npz", result.record)
        head = {
            "schema": SCHEMA,
            "cells": result.cells,
            "profile": result.profile,
            "code": result.code,
        }
        atomic.write(self._members / f"{result.key}.json", json.dumps(head).encode())

    def kept(self, key: str) -> JobResult | None:
        """A member that was finished earlier, without the bytes of its record; None if not.

        A failed one is not given: it is tried again.
        """
        try:
            content: dict[str, Any] = json.loads((self._members / f"{key}.json").read_bytes())
            if content["schema"] != SCHEMA or content["code"]:
                return None
            if not (self._members / f"{key}.npz").is_file():
                return None
            return JobResult(key, content["cells"], content["profile"], content["code"])
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def write_table(self, table: SweepTable) -> list[Path]:
        """Write ``sweep.json`` and the table; Parquet too where pyarrow is installed."""
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(csv_lines(table))
        atomic.write(self.path / TABLE, text.getvalue().encode())
        atomic.write(self.path / FILE, table.to_json().encode())
        return [self.path / TABLE, self.path / FILE]


def write_parquet(table: SweepTable, path: Path) -> bool:
    """Write the table as Parquet; False where pyarrow is not installed."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        return False
    from gradscope.record.sweep_table import NUMBERS

    columns: dict[str, Any] = {}
    for name in table.columns:
        values = table.column(name)
        if name in NUMBERS:
            columns[name] = pyarrow.array(values, pyarrow.float64(), from_pandas=True)
        elif len({type(value) for value in values if value is not None}) > 1:
            columns[name] = pyarrow.array([None if v is None else str(v) for v in values])
        else:
            columns[name] = pyarrow.array(values)
    buffer = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.table(columns), buffer)
    atomic.write(path, buffer.getvalue())
    return True
