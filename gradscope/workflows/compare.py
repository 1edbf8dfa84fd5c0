"""Compare runs, or sweeps, from what they left on disk; TensorFlow is not needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from gradscope.errors import BadRequest
from gradscope.gate.runs_compared import RunsCompared, Side, compare_runs
from gradscope.gate.sweeps_compared import SweepsCompared, compare_sweeps
from gradscope.message_text import show_value
from gradscope.record import RunRecord, storage
from gradscope.record.sweep_table import SweepRow, SweepTable, load_sweep, sweep_file
from gradscope.workflows.analysis import analyze, load_record

Compared = RunsCompared | SweepsCompared


def compare(paths: Sequence[str | Path]) -> Compared:
    """Compare two or more reports, records or sweeps, each with the first one.

    Raises `BadRequest` for fewer than two, and for runs mixed with sweeps.
    """
    if len(paths) < 2:
        raise BadRequest("nothing to compare with", "give two or more reports, records or sweeps")
    sweeps = [sweep_file(path) is not None for path in paths]
    if all(sweeps):
        tables = [load_sweep(path) for path in paths]
        names = _names([str(path) for path in paths])
        return compare_sweeps(tables, names, _side_of_rows)
    if any(sweeps):
        run = paths[sweeps.index(False)]
        raise BadRequest(
            f"{show_value(str(run))} is no sweep, and another of them is",
            "compare runs with runs, or sweeps with sweeps; the records of a sweep are in its "
            "folder members/",
        )
    names = _names([str(path) for path in paths])
    sides = [_side(name, [load_record(path)]) for name, path in zip(names, paths, strict=True)]
    return compare_runs(sides)


def _side(name: str, records: Sequence[RunRecord]) -> Side:
    diagnoses = tuple(analyze(record).diagnosis for record in records)
    return Side(name, tuple(records), diagnoses)


def _side_of_rows(name: str, table: SweepTable, rows: Sequence[SweepRow]) -> Side | None:
    """The records of one combination of a sweep; None where one of them is not there."""
    if table.folder is None:
        return None
    paths = [table.folder / row.text("record") for row in rows if row.text("record")]
    if len(paths) < len(rows) or not all(path.is_file() for path in paths):
        return None
    return _side(name, [storage.load(path) for path in paths])


def _names(paths: Sequence[str]) -> list[str]:
    """Short names that differ: the last part of each path, with as many parts before as needed."""
    parts = [list(Path(path).parts) for path in paths]
    names = [part[-1] for part in parts]
    for depth in range(2, 6):
        if len(set(names)) == len(names):
            return names
        names = ["/".join(part[-depth:]) for part in parts]
    return (
        names if len(set(names)) == len(names) else [f"{n} ({i})" for i, n in enumerate(names, 1)]
    )
