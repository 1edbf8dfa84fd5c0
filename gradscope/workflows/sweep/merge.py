"""Merge the folders of shards into one sweep."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from glob import escape
from pathlib import Path

from gradscope.errors import BadRequest, ExitCode
from gradscope.exit_codes import worst
from gradscope.message_text import counted
from gradscope.record.sweep_table import RowStatus, SweepRow, SweepTable, load_sweep
from gradscope.workflows.sweep.command import WrittenSweep, write_pages
from gradscope.workflows.sweep.store import MEMBERS, SweepFolder
from gradscope.workflows.sweep.sweep import exit_code


def merge(folders: Sequence[Path], output: Path, *, gate: bool = False) -> WrittenSweep:
    """Write the union of the shards into `output`, with their records, table, pictures and page.

    A member that several shards have is taken from the first that has measured it. Raises
    `BadRequest` for folders of different sweeps. The exit code is 4 where members are missing.
    """
    tables = [load_sweep(folder) for folder in folders]
    for table, folder in zip(tables[1:], folders[1:], strict=True):
        _refuse_other(tables[0], table, folders[0], folder)
    target = SweepFolder(output)
    with target.claimed():
        rows: dict[int, SweepRow] = {}
        for table in tables:
            for row in table.rows:
                _take(row, table, rows, output)
        merged = replace(
            tables[0], rows=tuple(rows[number] for number in sorted(rows)), folder=output
        )
        target.write_table(merged)
        files = write_pages(merged, output)
    codes = [exit_code(merged, gate=gate)]
    if missing(merged):
        codes.append(int(ExitCode.INCONCLUSIVE))
    return WrittenSweep(merged, output, files, worst(codes))


def missing(table: SweepTable) -> int:
    """How many members of the whole sweep the table does not have."""
    return table.total - len(table.rows)


def _take(row: SweepRow, table: SweepTable, rows: dict[int, SweepRow], output: Path) -> None:
    """Add a row, and copy its member's files, unless a better one is there."""
    number = int(str(row.cells["member"]))
    unmeasured = (RowStatus.PENDING, RowStatus.FAILED)
    if number in rows and rows[number].text("status") not in unmeasured:
        return
    rows[number] = row
    record = row.text("record")
    if record and table.folder is not None and not table.folder.samefile(output):
        for path in (table.folder / MEMBERS).glob(f"{escape(Path(record).stem)}.*"):
            shutil.copyfile(path, output / MEMBERS / path.name)


def _refuse_other(first: SweepTable, other: SweepTable, here: Path, there: Path) -> None:
    """Refuse a shard of another sweep, look, or version of the code."""
    for what, old, new in (
        ("name", first.name, other.name),
        ("axes", first.axes, other.axes),
        ("look", first.look, other.look),
        ("number of members", first.total, other.total),
        ("version of gradscope", first.code_version, other.code_version),
    ):
        if old != new:
            raise BadRequest(
                f"{here} and {there} are no shards of one sweep: the {what} differs",
                "merge the folders of one `gradscope sweep --shard I/N`",
            )


def missing_text(table: SweepTable) -> str:
    """A sentence on the members that are missing; "" where none are."""
    count = missing(table)
    if not count:
        return ""
    return f"{counted(count, 'member')} of {table.total} missing: not every shard is here"
