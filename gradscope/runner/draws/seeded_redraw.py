"""Draw the weights of gradscope's own network again, which a config's seed decides."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gradscope.record.initial_draws import DrawnWeight, WeightDraw
from gradscope.runner.runtime.seeds import derive


class SeededRedraw:
    """Draws all weights of the built-in network in place: ``redraw(k)``, by a seed of their own."""

    def __init__(self, model: Any, draw_weights: Callable[[int], None]) -> None:
        self._draw_weights = draw_weights
        self._saved = [(weight, np.array(weight.numpy())) for weight in model.weights]
        self.weights: tuple[DrawnWeight, ...] = ()
        try:
            self(1)
            self.weights = tuple(
                DrawnWeight(
                    weight.path,
                    tuple(int(size) for size in weight.shape),
                    WeightDraw.CONSTANT
                    if np.array_equal(before, weight.numpy())
                    else WeightDraw.AS_MADE,
                )
                for weight, before in self._saved
            )
        finally:
            self.restore()

    def __call__(self, draw: int) -> None:
        """Give the weights the values of this draw."""
        self._draw_weights(derive(draw, "draw"))

    def restore(self) -> None:
        """Give the model the weights that it had."""
        for variable, value in self._saved:
            variable.assign(value)
