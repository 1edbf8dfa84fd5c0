"""The report of one run: one file per form, and the folder that holds them."""

from __future__ import annotations

from typing import Protocol

from gradscope.registry import Registry
from gradscope.reporters.report import Report, ReportOptions


class Reporter(Protocol):
    """One form of a report as one string, for a terminal, a pipe or a file."""

    def __call__(self, report: Report, options: ReportOptions) -> str:
        """Render `report`; a form without a layout of its own leaves `options` unread."""
        ...


REPORTERS: Registry[Reporter] = Registry("gradscope.reporters.run")

__all__ = ["REPORTERS", "Reporter"]
