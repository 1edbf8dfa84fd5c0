"""Report: the one argument of every reporter."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from gradscope.analyzer.theory.expectation import expected_at_start
from gradscope.gate.check import Checked
from gradscope.record import Diagnosis, Role, RunRecord
from gradscope.record.fault import Fault
from gradscope.theory.prediction import Prediction


@dataclass(frozen=True)
class Report:
    """One run: what was measured, the diagnosis, and what theory predicts.

    `exit_code` is the code the command ends with; the JSON repeats it. `checked` is the check whose
    own seed this is the run of, None for a run by itself. `page_faults` are the figures that could
    not be drawn.
    """

    record: RunRecord
    diagnosis: Diagnosis
    prediction: Prediction | None
    exit_code: int
    checked: Checked | None = None
    page_faults: tuple[Fault, ...] = ()

    def __repr__(self) -> str:
        codes = self.diagnosis.codes
        listed = f", {' '.join(codes)}" if codes else ""
        return f"<{type(self).__name__} {self.record.name}: {self.diagnosis.verdict}{listed}>"

    @classmethod
    def from_diagnosis(cls, record: RunRecord, diagnosis: Diagnosis, exit_code: int) -> Self:
        """The report of a diagnosed record, with what theory expects of it."""
        prediction = expected_at_start(record) if record.indices(Role.HIDDEN) else None
        return cls(record, diagnosis, prediction, int(exit_code))

    @property
    def faults(self) -> tuple[Fault, ...]:
        """The side computations that failed, of the measurement and of the report."""
        fault = self.prediction.fault if self.prediction is not None else None
        own = (fault,) if fault is not None else ()
        return (*self.record.faults, *own, *self.page_faults)

    def to_frame(self) -> Any:
        """The record's numbers as a pandas data frame; see `RunRecord.to_frame`."""
        return self.record.to_frame()


@dataclass(frozen=True)
class Detail:
    """How much a terminal shows: the table of layers and all checks beside the answer, and of the
    answer perhaps the state alone."""

    layers: bool = False
    checks: bool = False
    state_only: bool = False


BRIEF = Detail()
"""The answer alone."""


@dataclass(frozen=True)
class ReportOptions:
    """What the reader's terminal can show, and the paths of the report's files.

    `width` is in columns, `unicode` whether the reader's encoding has more than ASCII. `pytest` is
    set for a report of the pytest plugin, whose fixture writes the baselines. `source` is the
    config file and `overrides` are the settings as they were typed, for a command to paste; "" and
    () where there were none. `has_baseline` is whether the config has a baseline beside it.
    """

    width: int = 100
    color: bool = False
    unicode: bool = True
    files: tuple[str, ...] = ()
    pytest: bool = False
    source: str = ""
    overrides: tuple[str, ...] = ()
    has_baseline: bool = False
    detail: Detail = BRIEF
