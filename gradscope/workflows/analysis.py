"""From records to verdicts: the report of one run, and the statistics of several seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gradscope import exit_codes
from gradscope.analyzer.diagnose import diagnose
from gradscope.gate.baselines import seed_statistics
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.record import RunRecord, storage
from gradscope.reporters.report import Report


def load_record(path: str | Path) -> RunRecord:
    """Read a record from a report folder, or from its ``record.npz``."""
    location = Path(path)
    return storage.load(location / "record.npz" if location.is_dir() else location)


def analyze(record: RunRecord, *, gate: bool = False) -> Report:
    """Judge a record by the detectors, thresholds and suppressions of its own config.

    `gate` makes the report's exit code follow the verdict; an experiment exits 0 once it is
    measured, whatever the verdict.
    """
    detectors: Mapping[str, Any] = record.config.get("detectors", {})
    diagnosis = diagnose(
        record,
        select=tuple(detectors["select"]) if detectors.get("select") is not None else None,
        ignore={item["code"]: item["reason"] for item in detectors.get("ignore", ())},
        thresholds=detectors.get("thresholds", {}),
    )
    complete = record.outcome.complete and len(record.steps) > 0
    code = exit_codes.for_run(complete=complete, verdict=diagnosis.verdict, gate=gate)
    return Report.from_diagnosis(record, diagnosis, code)


def analyze_seeds(records: Sequence[RunRecord], trained: int) -> tuple[SeedStatistics, Report]:
    """The statistics of one config's seeds, and the report of the first; each analyzed once.

    The first `trained` of the records are trained, the others measured at initialisation.
    """
    reports = [analyze(record) for record in records[: max(1, trained)]]
    diagnoses = [report.diagnosis for report in reports]
    return seed_statistics.of_records(records, diagnoses, trained), reports[0]
