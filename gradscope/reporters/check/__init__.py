"""The forms of a check's report, one file each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gradscope.gate.check import Checked
from gradscope.registry import Registry
from gradscope.reporters.report import ReportOptions


class CheckForm(Protocol):
    """All configs of one command in one text that ends in a line feed."""

    def __call__(self, checked: Sequence[Checked], options: ReportOptions) -> str:
        """Render `checked`; a form without a layout of its own leaves `options` unread."""
        ...


CHECK_FORMS: Registry[CheckForm] = Registry("gradscope.reporters.check")

__all__ = ["CHECK_FORMS", "CheckForm"]
