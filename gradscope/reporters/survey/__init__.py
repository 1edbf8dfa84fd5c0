"""The layers of a model before any training, and what would be measured: one file per form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from gradscope.record import LayerInfo
from gradscope.registry import Registry
from gradscope.reporters.report import ReportOptions


class SurveyForm(Protocol):
    """The layers of a model in one text that ends in a line feed."""

    def __call__(self, name: str, layers: Sequence[LayerInfo], options: ReportOptions) -> str:
        """Render `layers` of the model `name`; a form without a layout leaves `options` unread."""
        ...


SURVEY_FORMS: Registry[SurveyForm] = Registry("gradscope.reporters.survey")

__all__ = ["SURVEY_FORMS", "SurveyForm"]
