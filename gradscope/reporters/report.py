"""Report: the one argument of every reporter."""

from __future__ import annotations

from dataclasses import dataclass

from gradscope.record import Diagnosis, RunRecord
from gradscope.theory.prediction import Prediction


@dataclass(frozen=True)
class Report:
    """One run: what was measured, what it means, what theory expected of it.

    `exit_code` is the code the command ends with; the JSON repeats it.
    """

    record: RunRecord
    diagnosis: Diagnosis
    prediction: Prediction | None
    exit_code: int
