"""A `GradientFlow` that never stops the training it measures."""

from __future__ import annotations

from typing import Any

from gradscope.errors import GradscopeError
from gradscope.integrations.keras_callback import GradientFlow


class TolerantFlow(GradientFlow):
    """`GradientFlow` for trainings that did not ask for it: it skips what it cannot measure.

    Where `GradientFlow` raises `GradscopeError`, this one stops measuring and keeps the message;
    the training goes on as without it.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.reason = ""

    def on_train_begin(self, logs: Any = None) -> None:
        """Begin to measure, or note why that is not possible."""
        try:
            super().on_train_begin(logs)
        except GradscopeError as error:
            self._give_up(error)

    def _passes(self, fit: Any, element: Any) -> Any:
        try:
            return None if self.reason else super()._passes(fit, element)
        except GradscopeError as error:
            self._give_up(error)
            return None

    def _measure_profiles(self, fit: Any, step: int, element: Any) -> None:
        try:
            if not self.reason:
                super()._measure_profiles(fit, step, element)
        except GradscopeError as error:
            self._give_up(error)

    def _give_up(self, error: GradscopeError) -> None:
        self.reason = str(error)
        self._fit = None

    def finish(self) -> str:
        """Write the record of an interrupted fit; return why nothing was measured, or ``""``."""
        fit = self._fit
        if self.reason or fit is None:
            return self.reason or "its `fit` did not begin to train"
        if not fit.measured:
            return "no training step was made"
        if not fit.ended:
            self._write(record_only=False)
        return ""
