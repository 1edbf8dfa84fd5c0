"""What the Python API gives beside reports of runs, with the look of a notebook."""

from __future__ import annotations

from dataclasses import fields
from html import escape
from typing import Any, Self

from gradscope.gate.check import Checked
from gradscope.record.sweep_table import SweepTable
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.sweep.text import sweep_text
from gradscope.reporters.theory import THEORY_FORMS
from gradscope.theory.forecast import Forecast


class _ShownInNotebook:
    """A result whose text a notebook shows in columns of equal width; it is escaped."""

    @classmethod
    def showing(cls, result: Any) -> Self:
        """The same result with `_repr_html_`; one that has it is given back."""
        if isinstance(result, cls):
            return result
        return cls(**{field.name: getattr(result, field.name) for field in fields(result)})

    def text(self, width: int = 100) -> str:
        """The result as the command line shows it, `width` columns wide."""
        raise NotImplementedError

    def _repr_html_(self) -> str:
        return f'<pre class="gradscope">{escape(self.text())}</pre>'


class CheckReport(_ShownInNotebook, Checked):
    """A checked config; a notebook shows what `gradscope check` prints."""

    def text(self, width: int = 100) -> str:
        """What `gradscope check` prints, `width` columns wide."""
        return CHECK_FORMS["text"]([self], ReportOptions(width=width))


class SweepReport(_ShownInNotebook, SweepTable):
    """The table of a sweep; a notebook shows what `gradscope sweep` prints."""

    def text(self, width: int = 100) -> str:
        """What `gradscope sweep` prints, `width` columns wide."""
        return sweep_text(self, ReportOptions(width=width))


class ForecastReport(_ShownInNotebook, Forecast):
    """A forecast; a notebook shows what `gradscope theory` prints."""

    def text(self, width: int = 100) -> str:
        """What `gradscope theory` prints, `width` columns wide."""
        return THEORY_FORMS["text"](self, ReportOptions(width=width))
