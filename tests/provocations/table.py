"""The table of provoked faults, by kind."""

from __future__ import annotations

from tests.provocations import memory_and_processes, outputs, programs, reports
from tests.provocations.provocation import Provocation

PROVOCATIONS: tuple[Provocation, ...] = (
    *outputs.PROVOCATIONS,
    *memory_and_processes.PROVOCATIONS,
    *reports.PROVOCATIONS,
    *programs.PROVOCATIONS,
)
