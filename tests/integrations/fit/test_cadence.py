"""Which steps of a fit are measured where nobody says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.integrations.fit.cadence import SPARSEST, is_measured


def measured(length: int, every: int | None = None) -> list[int]:
    return [step for step in range(1, length + 1) if is_measured(step, every) or step == length]


@pytest.mark.parametrize(("length", "count"), [(60, 46), (1_000, 112), (10_000, 253)])
def test_the_counts_of_the_documentation(length: int, count: int) -> None:
    assert len(measured(length)) == count


def test_short_trainings_are_measured_well_and_long_ones_are_cheap() -> None:
    assert all(len(measured(length)) >= 50 for length in range(72, 3000))
    assert all(len(measured(length)) >= 0.5 * length for length in range(1, 100))
    steps = np.array(measured(100_000))
    assert np.all(np.diff(steps) <= np.maximum(1, steps[:-1] // 12)), "no step without near ones"
    assert np.diff(steps).max() == SPARSEST
    assert len(steps) < 0.02 * 100_000


def test_every_n_is_the_multiples_of_n() -> None:
    assert measured(310, 50) == [1, 50, 100, 150, 200, 250, 300, 310]
    assert measured(7, 1) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.tensorflow
def test_a_fit_of_sixty_steps_has_as_many_rows_and_the_same_weights(tensorflow_once: Any) -> None:
    import keras

    import gradscope

    x = np.random.default_rng(0).normal(size=(90, 4)).astype("float32")
    weights, flow = [], gradscope.GradientFlow()
    for callbacks in ([], [flow]):
        keras.utils.set_random_seed(1)
        model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(8, "relu"),
                                  keras.layers.Dense(1)])  # fmt: skip
        model.compile("sgd", "mean_squared_error")
        model.fit(x, x[:, :1], batch_size=9, epochs=6, verbose=0, callbacks=callbacks)
        weights.append(b"".join(value.tobytes() for value in model.get_weights()))
    assert weights[0] == weights[1]
    assert flow.record.steps.tolist() == [0, *measured(60)]
    assert flow.record.config["training"]["record_every"] == 2
