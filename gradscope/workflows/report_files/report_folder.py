"""What a workflow writes into the folder of a report, and in which order.

The folder is claimed first (`reporters.run.folder.claimed`), so that nobody else writes into it.
"""

from __future__ import annotations

import contextlib
import glob
import logging
import signal
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from gradscope import exit_codes
from gradscope.errors import CouldNotMeasure, ExitCode, GradscopeError
from gradscope.gate.baselines import baseline_file
from gradscope.message_text import sanitise
from gradscope.record import RunRecord
from gradscope.record.files import atomic
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import folder
from gradscope.workflows.analysis import analyze, load_record


@dataclass(frozen=True)
class WrittenReport:
    """A report, its folder and the paths of its files, the page first; none where there are none.

    `earlier` is the folder into which the report moved that was in its place. `source` and
    `overrides` are the config file and the settings that the run is known to be of. `others`
    are the reports on the other gradients of the same training step.
    """

    report: Report
    files: tuple[str, ...] = ()
    folder: Path | None = None
    earlier: Path | None = None
    source: str = ""
    overrides: tuple[str, ...] = ()
    others: tuple[WrittenReport, ...] = ()

    @property
    def exit_code(self) -> int:
        """The worst exit code of this report and the others."""
        return exit_codes.worst(w.report.exit_code for w in (self, *self.others))


def analyze_or_keep(record: RunRecord, target: Path, *, gate: bool) -> Report:
    """Analyze `record`; should that fail, what was measured is in `target` all the same."""
    try:
        return analyze(record, gate=gate)
    except Exception:
        folder.write_record(record, target)
        (target / folder.RESULT).unlink(missing_ok=True)
        folder.remove_pages(target)
        folder.keep_log(target)
        raise


def keep_partial(error: GradscopeError, target: Path) -> None:
    """Write what was measured before `error`, and add to its remedy where that is."""
    if error.partial is None:
        return
    with _signals_ignored():
        report = replace(analyze(error.partial), exit_code=int(error.exit_code))
        with kept_elsewhere(report.record, target):
            record = folder.write_record(report.record, target)
        folder.write_result(report, target)
        folder.remove_pages(target)
        folder.keep_log(target)
        for other in error.partial.others:
            place = place_of(other, target)
            with folder.claimed(place, replace=True):
                folder.write_record(other, place)
                judged = replace(analyze(other), exit_code=int(error.exit_code))
                folder.write_result(judged, place)
                folder.remove_pages(place)
    error.remedy = f"{error.remedy}\n  kept: {record}".strip()


def write_others(record: RunRecord, target: Path, *, gate: bool) -> tuple[WrittenReport, ...]:
    """Write the reports on the other gradients into ``<target>.<what it trains>``."""
    written = []
    for other in record.others:
        place = place_of(other, target)
        with folder.claimed(place, replace=True):
            written.append(write_report(analyze_or_keep(other, place, gate=gate), place))
    return tuple(written)


def place_of(other: RunRecord, target: Path) -> Path:
    """The folder of the record of another gradient, beside `target`."""
    return target.with_name(f"{target.name}.{other.name.rpartition('.')[2]}")


def with_others(record: RunRecord, target: Path) -> RunRecord:
    """The record of `target` with those of the training's other gradients, which lie beside it."""
    if record.objective is None or not record.objective.one_of_several:
        return record
    others = []
    for place in sorted(target.parent.glob(f"{glob.escape(target.name)}.*")):
        if (place / folder.RECORD).is_file():
            other = load_record(place)
            if place_of(other, target) == place and _of_one_training(record, other):
                others.append(other)
    return replace(record, others=tuple(others))


def _of_one_training(one: RunRecord, other: RunRecord) -> bool:
    hashes = {each.environment.config_hash for each in (one, other)}
    several = other.objective is not None and other.objective.one_of_several
    names = {one.name, one.name.rpartition(".")[0]}
    return several and len(hashes) == 1 and other.name.rpartition(".")[0] in names


@contextlib.contextmanager
def kept_elsewhere(record: RunRecord, target: Path) -> Iterator[None]:
    """Keep `record` in a new temporary folder where it did not get into `target` meanwhile.

    The disk is full, for example, or the folder was removed. Where no other place takes the record,
    the error is raised as it was.
    """
    earlier = _identity(target / folder.RECORD)
    try:
        yield
    except (OSError, GradscopeError) as error:
        if _identity(target / folder.RECORD) not in (None, earlier):
            raise
        kept = _write_elsewhere(record)
        if kept is None:
            raise
        if not target.is_dir():
            reason = f"{sanitise(str(target), 300)} stopped being a folder during the run"
            raise CouldNotMeasure(reason, f"kept: {kept}") from error
        if isinstance(error, GradscopeError):
            error.remedy = f"{error.remedy}\n  kept: {kept}".strip()
        raise


def _identity(path: Path) -> tuple[int, int] | None:
    """The file that stands at `path`: another one after it was replaced; None where none is."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns


def _write_elsewhere(record: RunRecord) -> Path | None:
    """Write `record` into a new temporary folder; None where that takes nothing either."""
    try:
        return folder.write_record(record, Path(tempfile.mkdtemp(prefix="gradscope-kept-")))
    except (OSError, GradscopeError):
        return None


def move_earlier(target: Path) -> Path | None:
    """Make room for a new report: move the earlier one whole, whatever signal comes."""
    with _signals_ignored():
        return folder.move_earlier(target)


def _ignore_signal(number: int, frame: Any) -> None:
    del number, frame


@contextlib.contextmanager
def _signals_ignored() -> Iterator[None]:
    """Finish a short piece of work whatever comes, so that a second Ctrl-C loses nothing."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, _ignore_signal) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def write_report(
    report: Report, target: Path, *, source: str = "", overrides: Sequence[str] = ()
) -> WrittenReport:
    """Write the record first, then the result, then the pages, which take longest.

    `source` and `overrides` are the config file and the settings as typed, for commands to paste.
    Until the pages are there too, the result has the exit code of a failure: a process that is
    killed meanwhile, or that finds no space, leaves no result that says more than was done. What
    an earlier report had in `target` is removed once the new record is in its place.
    """
    has_baseline = bool(source) and baseline_file.default_path(source).exists()
    options = ReportOptions(source=source, overrides=tuple(overrides), has_baseline=has_baseline)
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    record = folder.write_record(report.record, target)
    folder.write_result(_unfinished(report, ExitCode.COULD_NOT_MEASURE), target)
    folder.remove_pages(target)
    if report.checked is not None:
        atomic.write(target / folder.CHECK, CHECK_FORMS["json"]([report.checked], options).encode())
    folder.keep_log(target)
    try:
        pages = folder.write_pages(report, target, options)
        result = folder.write_result(report, target)
    except BaseException as error:
        folder.remove_pages(target)  # they may fill the disk, and the result needs a place
        folder.write_result(_unfinished(report, exit_codes.for_exception(error)), target)
        raise
    pictures = [path for path in pages if path.suffix == ".png"]
    files = tuple(map(str, (pages[0], *pictures, result, record)))
    return WrittenReport(report, files, folder=target, source=source, overrides=tuple(overrides))


@contextlib.contextmanager
def marked_failed_on_error(written: WrittenReport) -> Iterator[None]:
    """Write the exit code of an error into the result, which otherwise says what was measured."""
    try:
        yield
    except (OSError, GradscopeError) as error:
        if written.folder is not None:
            code = exit_codes.for_exception(error)
            with contextlib.suppress(GradscopeError):
                folder.write_result(_unfinished(written.report, code), written.folder)
        raise


def _unfinished(report: Report, code: ExitCode) -> Report:
    return replace(report, exit_code=int(code))
