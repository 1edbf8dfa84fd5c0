"""Judge an earlier run again, from its record."""

from __future__ import annotations

from pathlib import Path

from gradscope.reporters.run import folder
from gradscope.workflows.analysis import analyze, load_record
from gradscope.workflows.report_folder import WrittenReport, write_report


def report_again(path: Path, *, gate: bool = False, write: bool = False) -> WrittenReport:
    """Analyze the record in `path`, a report folder or a record, with the detectors of today.

    `write` writes the report's files again, beside the record. TensorFlow is not needed.
    """
    report = analyze(load_record(path), gate=gate)
    if not write:
        return WrittenReport(report)
    target = path if path.is_dir() else path.parent
    with folder.claimed(target, report.record.environment.config_hash, force=True):
        return write_report(report, target)
