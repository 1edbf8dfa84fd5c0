"""Judge an earlier run again, from its record."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path

from gradscope.errors import GradscopeError
from gradscope.record import RunRecord
from gradscope.reporters.run import folder
from gradscope.workflows.analysis import analyze, load_record, report_location
from gradscope.workflows.inputs import CONFIGS, load_config
from gradscope.workflows.report_folder import WrittenReport, write_report


def report_again(path: Path, *, gate: bool = False, write: bool = False) -> WrittenReport:
    """Analyze the record of `path`, a report's name or folder or a record, with today's detectors.

    `write` writes the report's files again, beside the record. TensorFlow is not needed.
    """
    path = report_location(path)
    report = analyze(load_record(path), gate=gate)
    target = path if path.is_dir() else path.parent
    source = _source(report.record)
    if not write:
        page = target / folder.PAGE
        files = (str(page),) if page.exists() else ()
        return WrittenReport(report, files, source, folder=target)
    with folder.claimed(target, replace=True):
        return replace(write_report(report, target), source=source)


def _source(record: RunRecord) -> str:
    """The config file of the record's name in the usual places, if it still is that config."""
    for place in (Path(), CONFIGS):
        path = place / f"{record.name}.yaml"
        with contextlib.suppress(GradscopeError, OSError):
            if path.is_file() and load_config(str(path)).hash == record.environment.config_hash:
                return str(path)
    return ""
