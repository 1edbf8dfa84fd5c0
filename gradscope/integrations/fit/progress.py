"""One call of `fit`: how far it is, what was measured of it, and the folders of its reports."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from gradscope import api
from gradscope.integrations.fit.batches import FitBatches
from gradscope.integrations.fit.description import BatchSummary
from gradscope.integrations.fit.living_units import LivingUnits
from gradscope.integrations.fit.own_train_step import TrainStepFit
from gradscope.integrations.fit.start import FitStart
from gradscope.integrations.fit.step import FitStep
from gradscope.record import OutcomeStatus, RunRecord
from gradscope.record.builder import RecordBuilder
from gradscope.record.fault import Faults
from gradscope.reporters.report import Report, ReportOptions
from gradscope.reporters.run import REPORTERS, folder
from gradscope.workflows.report_files import report_folder


@dataclass
class FitProgress:
    """One call of `fit`: where it is, and what was measured of it.

    `done` counts the steps of the epochs before the present one, `batch` those of the present one
    before its present call; `total` is known where the data says how long it is.
    """

    batches: FitBatches
    started: float = field(default_factory=time.monotonic)
    builder: RecordBuilder = field(default_factory=RecordBuilder)
    faults: Faults = field(default_factory=Faults)
    measuring: float = 0.0
    done: int = 0
    batch: int = 0
    total: int | None = None
    rows: int = 0
    untrained: bool = True
    retry: bool = False
    lost_at: int = 0
    ended: bool = False
    seconds: float | None = None
    fit_step: FitStep | None = None
    batch_summary: BatchSummary | None = None
    start: FitStart | None = None
    own: TrainStepFit | None = None
    living: LivingUnits = field(default_factory=LivingUnits)

    @property
    def measured(self) -> bool:
        """Whether anything was measured."""
        return self.fit_step is not None or (self.own is not None and self.own.measured)

    @property
    def elapsed(self) -> float:
        """Seconds since it began, or that it took."""
        return self.seconds if self.seconds is not None else time.monotonic() - self.started

    def outcome(self) -> tuple[int, OutcomeStatus, str]:
        """Steps made as far as is known, status and sentence."""
        done = max(self.done, (self.builder if self.own is None else self.own).steps_done)
        if self.lost_at:
            sentence = f"a non-finite value appeared by step {self.lost_at} of {done}"
            return done, OutcomeStatus.DIVERGED, sentence
        if not self.ended:
            sentence = f"fit has not come to its end; it was past step {done}"
            return done, OutcomeStatus.PARTIAL, sentence
        if self.total and done < self.total:
            sentence = f"stopped by a callback after {done} of {self.total} steps"
            return done, OutcomeStatus.COMPLETE, sentence
        return done, OutcomeStatus.COMPLETE, f"{done} steps"


def profile_folders(output: Path, names: Iterable[str]) -> tuple[Path, ...]:
    """The folder of each record: `output` for the first, ``<output>.<name>`` for each other."""
    return tuple(
        output.with_name(f"{output.name}.{name}") if at else output for at, name in enumerate(names)
    )


def write_into(target: Path, record: RunRecord, *, record_only: bool) -> None:
    """Write a record into its folder, and its report unless `record_only`."""
    with folder.claimed(target, replace=True):
        if record_only:
            folder.write_record(record, target)
            (target / folder.RESULT).unlink(missing_ok=True)  # of an earlier record
            folder.remove_pages(target)
        else:
            report_folder.write_report(api.analyze(record), target)


_WORST_FIRST = ("unhealthy", "inconclusive", "warning", "healthy")
"""Of several records, the one in the first of these states stands for all."""


class ProfileReports:
    """Records with their reports, one for each gradient that a training takes."""

    @property
    def records(self) -> dict[str, RunRecord]:
        """The records by the name of what the gradient trains."""
        raise NotImplementedError

    @property
    def reports(self) -> dict[str, Report]:
        """The report of each of `records`."""
        return {name: api.analyze(record) for name, record in self.records.items()}

    @property
    def record(self) -> RunRecord:
        """What was measured so far, of several records the one in the worst state.

        Raises `BadRequest` when nothing was measured.
        """
        records = self.records
        return next(iter(records.values())) if len(records) == 1 else self.report.record

    @property
    def report(self) -> Report:
        """The record with the verdicts of the detectors and what theory expects."""
        return min(self.reports.values(), key=lambda r: _WORST_FIRST.index(r.diagnosis.verdict))

    def text(self, width: int = 100) -> str:
        """The report as `gradscope run` shows it, `width` columns wide."""
        options = ReportOptions(width=width)
        return "\n\n".join(REPORTERS["text"](report, options) for report in self.reports.values())
