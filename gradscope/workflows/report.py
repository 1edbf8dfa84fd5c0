"""Judge an earlier run again, from its record."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from gradscope.errors import GradscopeError
from gradscope.reporters.report import Report
from gradscope.reporters.run import folder
from gradscope.reporters.run.saved_runs import typed_command
from gradscope.workflows.analysis import analyze, load_record, report_location
from gradscope.workflows.measuring.inputs import CONFIGS, load_config
from gradscope.workflows.report_files.report_folder import (
    WrittenReport,
    place_of,
    with_others,
    write_others,
    write_report,
)
from gradscope.workflows.report_files.saved_check import saved_check


def report_again(path: Path, *, gate: bool = False, write: bool = False) -> WrittenReport:
    """Analyze the record of `path`, a report's name or folder or a record, with today's detectors.

    `write` writes the report's files again, beside the record. The folder of a check keeps the
    check's own answer. Of a training that takes several gradients, `others` has those after the
    first. TensorFlow is not needed.
    """
    path = report_location(path)
    target = path if path.is_dir() else path.parent
    record = load_record(path)
    if target == path:
        record = with_others(record, target)
    report = analyze(record, gate=gate)
    report = replace(report, checked=saved_check(target, report))
    source, overrides = _source(report, target)
    if not write:
        others = tuple(
            WrittenReport(analyze(other, gate=gate), *_page(place_of(other, target)))
            for other in record.others
        )
        return WrittenReport(
            report, *_page(target), source=source, overrides=overrides, others=others
        )
    with folder.claimed(target, replace=True):
        written = write_report(report, target, source=source, overrides=overrides)
        others = write_others(record, target, gate=gate)
    return replace(written, source=source, overrides=overrides, others=others)


def _page(place: Path) -> tuple[tuple[str, ...], Path]:
    """The page of a folder where it has one, and the folder."""
    page = place / folder.PAGE
    return (str(page),) if page.exists() else (), place


def _source(report: Report, target: Path) -> tuple[str, tuple[str, ...]]:
    """The config file and settings of the record, where they still make its config.

    They are those of the command or the check kept in `target`, or the file of the record's name in
    the usual places.
    """
    record, checked, typed = report.record, report.checked, typed_command(target)
    places = [typed] if typed else []
    places += [(checked.source, checked.overrides)] if checked is not None else []
    places += [(str(place / f"{record.name}.yaml"), ()) for place in (Path(), CONFIGS)]
    for source, overrides in places:
        with contextlib.suppress(GradscopeError, OSError):
            if load_config(source, overrides).hash == record.environment.config_hash:
                return source, overrides
    return "", ()
