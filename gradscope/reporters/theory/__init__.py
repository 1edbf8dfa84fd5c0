"""A forecast as text, JSON and figure: one file per form."""

from __future__ import annotations

from typing import Protocol

from gradscope.registry import Registry
from gradscope.reporters.report import ReportOptions
from gradscope.theory.forecast import Forecast


class TheoryForm(Protocol):
    """A forecast in one text that ends in a line feed."""

    def __call__(self, forecast: Forecast, options: ReportOptions) -> str:
        """Render `forecast`; a form without a layout of its own leaves `options` unread."""
        ...


THEORY_FORMS: Registry[TheoryForm] = Registry("gradscope.reporters.theory")

__all__ = ["THEORY_FORMS", "TheoryForm"]
