"""The forms of a comparison of runs or of sweeps, one file each, and what they show."""

from __future__ import annotations

from typing import Protocol

from gradscope.gate.runs_compared import RunsCompared
from gradscope.gate.sweeps_compared import SweepsCompared
from gradscope.registry import Registry
from gradscope.reporters.report import ReportOptions

Compared = RunsCompared | SweepsCompared


class CompareForm(Protocol):
    """A comparison as a text that ends in a line feed."""

    def __call__(self, compared: Compared, options: ReportOptions) -> str:
        """Render `compared`; a form without a layout of its own leaves `options` unread."""
        ...


COMPARE_FORMS: Registry[CompareForm] = Registry("gradscope.reporters.compare")

__all__ = ["COMPARE_FORMS", "CompareForm", "Compared"]
