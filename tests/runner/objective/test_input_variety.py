"""Whether the inputs of samples differ, seen batch after batch."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.each_case import each_case

pytestmark = pytest.mark.tensorflow
SAME = np.full((4, 3), 0.25, "float32")
WORDS = np.array([[1, 1, 1, 0, 0], [1, 1, 0, 0, 0], [0, 0, 0, 0, 0], [1, 1, 1, 1, 1]])
OTHER = np.array([[1, 1, 1, 0, 0], [1, 7, 0, 0, 0]])


@each_case(
    ("batches", "differ", "token"),
    [
        ([SAME], False, None),
        ([SAME, SAME], False, None),
        ([SAME, SAME + 1e-6], True, None),
        ([np.arange(6.0).reshape(2, 3)], True, None),
        ([[SAME, SAME[:, :1]]], False, None),
        ([{"one": SAME, "other": np.arange(4.0)[:, None]}], True, None),
        ([WORDS], False, 1),
        ([WORDS, OTHER], True, None),
        ([np.array([[1, 0, 1, 1], [0, 1, 1, 0]])], True, None),  # bits, no padding
        ([np.zeros((4, 5), int)], False, None),
        ([np.array([[0, 0, 1, 1], [0, 0, 0, 1]])], False, 1),  # padding in front
        ([np.array([["a"], ["a"]])], False, None),
    ],
)
def test_the_inputs_of_two_samples_differ(batches: list[Any], differ: bool, token: Any) -> None:
    from gradscope.runner.objective.input_variety import BatchInputs

    seen = BatchInputs()
    for batch in batches:
        seen.add(batch)
    variety = seen.variety()
    assert variety is not None
    assert (variety.differ, None if differ else variety.token) == (differ, token)


def test_an_average_leaves_the_share_of_the_way_that_keras_leaves(tensorflow_once: Any) -> None:
    """A weight that moves by -1 a step; the first overwriting is apart, as Keras begins there."""
    import keras

    from gradscope.analyzer.detectors.gradients.averaged_weights import share_left

    for momentum, every in ((0.99, 1), (0.9, 5), (0.5, 3)):
        optimizer = keras.optimizers.SGD(
            1.0, use_ema=True, ema_momentum=momentum, ema_overwrite_frequency=every
        )
        weight = keras.Variable(np.zeros(1, "float32"))
        optimizer.build([weight])
        ends = []
        for step in range(1, 4 * every + 1):
            optimizer.apply([np.ones(1, "float32")], [weight])
            if step % every == 0:
                ends.append(float(weight.numpy()[0]))
        ways = -np.diff(ends)
        np.testing.assert_allclose(ways, every * share_left(momentum, every), rtol=1e-4)
