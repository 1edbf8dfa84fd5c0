"""Judge an earlier run again, from its record."""

from __future__ import annotations

from pathlib import Path

from gradscope.reporters.run import folder
from gradscope.workflows.analysis import analyze, load_record, report_location
from gradscope.workflows.report_folder import WrittenReport, write_report


def report_again(path: Path, *, gate: bool = False, write: bool = False) -> WrittenReport:
    """Analyze the record of `path`, a report's name or folder or a record, with today's detectors.

    `write` writes the report's files again, beside the record. TensorFlow is not needed.
    """
    path = report_location(path)
    report = analyze(load_record(path), gate=gate)
    target = path if path.is_dir() else path.parent
    if not write:
        return WrittenReport(report, folder=target)
    with folder.claimed(target, replace=True):
        return write_report(report, target)
