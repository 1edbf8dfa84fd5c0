"""What a model's own `train_step` receives from `run`: what `fit` gives it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from gradscope.runner.sources.batches import batches
from gradscope.runner.train_step.own_steps import element_of

pytestmark = pytest.mark.tensorflow

ROWS = 4


def _rows(width: int) -> Any:
    return np.zeros((ROWS, width), np.float32)


class Noting(keras.Model):  # type: ignore[misc]
    """Notes the structure of what its `train_step` receives, and trains nothing."""

    received: Any = None

    def train_step(self, data: Any) -> dict[str, Any]:
        self.received = keras.tree.map_structure(lambda leaf: leaf.shape[1], data)
        return {"loss": 0.0}


@pytest.mark.parametrize(
    "data",
    [
        (_rows(2),),
        ([_rows(2), _rows(3)],),
        ({"a": _rows(2), "b": _rows(3)},),
        (_rows(2), _rows(1)),
        ([_rows(2), _rows(3)], _rows(1)),
        ({"a": _rows(2)}, _rows(1)),
    ],
)
def test_the_element_has_the_form_that_keras_gives(data: tuple[Any, ...]) -> None:
    model = Noting()
    model.compile()
    model.fit(*data, batch_size=ROWS, verbose=0)
    feed = batches(data, ROWS, 0)
    element = element_of(next(feed.iterate()), feed)
    assert keras.tree.map_structure(lambda leaf: leaf.shape[1], element) == model.received
