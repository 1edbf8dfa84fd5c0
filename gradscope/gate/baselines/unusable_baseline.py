"""The error of a baseline that cannot be used, with the remedy as data."""

from __future__ import annotations

from gradscope.errors import BadRequest
from gradscope.record import Remedy


class UnusableBaseline(BadRequest):
    """A baseline that cannot be read, or that is of another experiment or of other data.

    `condition` says when `baseline_remedy` applies, `command` is that remedy on the command line.
    A tool with its own way to write baselines words the remedy itself.
    """

    def __init__(self, message: str, condition: str, command: str, baseline_remedy: Remedy) -> None:
        super().__init__(message, f"{condition}: {command}")
        self.condition = condition
        self.baseline_remedy = baseline_remedy
