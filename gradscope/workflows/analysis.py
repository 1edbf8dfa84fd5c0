"""From records to verdicts: the report of one run, and the statistics of several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from gradscope import exit_codes
from gradscope.analyzer.diagnose import diagnose
from gradscope.errors import BadRequest
from gradscope.gate.baselines import seed_statistics
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.message_text import did_you_mean, show_value
from gradscope.record import Diagnosis, RunRecord, storage
from gradscope.reporters.remedies.reader import reader_of
from gradscope.reporters.remedies.wording import remedies_text
from gradscope.reporters.run.folder import RECORD, REPORTS
from gradscope.workflows.notebook.run_report import RunReport


def report_location(path: str | Path) -> Path:
    """The folder or record that `path` names: itself, or ``reports/<path>`` where it is a name.

    Raises `BadRequest` where there is neither.
    """
    location = Path(path)
    named = REPORTS / location
    if location.is_file() or (location / RECORD).is_file():
        return location
    if len(location.parts) == 1 and (named / RECORD).is_file():
        return named
    if location.is_dir():
        return location
    names = [folder.parent.name for folder in REPORTS.glob(f"*/{RECORD}")]
    raise BadRequest(
        f"there is no report {show_value(str(path))}",
        did_you_mean(str(path), names)
        or "give the name or folder of what `gradscope run` has written: `gradscope list`",
    )


def report_files(path: str | Path) -> list[Path]:
    """The files of the report, record or sweep that `path` names, which no output may replace."""
    location = report_location(path)
    if not location.is_dir():
        return [location]
    return sorted(item for item in location.iterdir() if item.is_file())


def load_record(path: str | Path) -> RunRecord:
    """Read the record of a report, given by name or folder, or a ``record.npz``."""
    location = report_location(path)
    return storage.load(location / RECORD if location.is_dir() else location)


def judged(record: RunRecord) -> Diagnosis:
    """The diagnosis by the detectors, thresholds and suppressions of the record's own config."""
    detectors: Mapping[str, Any] = record.config.get("detectors", {})
    return diagnose(
        record,
        select=tuple(detectors["select"]) if detectors.get("select") is not None else None,
        ignore={item["code"]: item["reason"] for item in detectors.get("ignore", ())},
        thresholds=detectors.get("thresholds", {}),
    )


def analyze(record: RunRecord, *, gate: bool = False) -> RunReport:
    """Judge a record by the detectors, thresholds and suppressions of its own config.

    `gate` makes the report's exit code follow the verdict; an experiment exits 0 once it is
    measured, whatever the verdict.
    """
    diagnosis = judged(record)
    words = remedies_text(diagnosis.remedies, reader_of(record))
    diagnosis = replace(diagnosis, remedy=words)
    complete = record.outcome.complete and len(record.steps) > 0
    code = exit_codes.for_run(complete=complete, verdict=diagnosis.verdict, gate=gate)
    return RunReport.from_diagnosis(record, diagnosis, code)


def analyze_seeds(records: Sequence[RunRecord], trained: int) -> tuple[SeedStatistics, RunReport]:
    """The statistics of one config's seeds, and the report of the first; each analyzed once.

    The first `trained` of the records are trained, the others measured at initialisation.
    """
    reports = [analyze(record) for record in records[: max(1, trained)]]
    diagnoses = [report.diagnosis for report in reports]
    return seed_statistics.from_records(records, diagnoses, trained), reports[0]
