"""Which positions answers depend on, where the model itself says it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record import PositionUse

pytestmark = pytest.mark.tensorflow

LENGTH = 11


def used(function: Callable[[Any], Any], x: np.ndarray, layers: Any = ()) -> PositionUse | None:
    """What is found of a model that computes `function` of the input."""
    import keras

    from gradscope.runner.loop.read_positions import read_positions

    class Reader(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.parts = list(layers)

        def call(self, x: Any) -> Any:
            return function(x)

    return read_positions(Reader(), x, len(x))


def series(samples: int = 8) -> np.ndarray:
    return np.random.default_rng(1).normal(size=(samples, LENGTH, 2)).astype("float32")


def test_the_stretch_is_that_of_the_function(tensorflow_once: Any) -> None:
    from keras import ops

    for first, end in ((0, 1), (10, 11), (4, 5), (0, 11), (4, 7), (9, 11)):
        use = used(lambda x, f=first, e=end: ops.sum(x[:, f:e], axis=1), series())
        assert use is not None
        # Halves of 11 are taken: what lies across a middle is not narrowed further.
        assert use.first <= first < end <= use.end, (first, end)
        if end - first == 1:
            assert (use.first, use.end) == (first, end)
    ends = used(lambda x: x[:, 0] + x[:, -1], series())
    assert ends is not None
    assert (ends.first, ends.end) == (0, LENGTH)


def test_small_effects_count() -> None:
    """Beside a large offset, and where probabilities are nearly certain."""
    from keras import ops

    def certain(x: Any) -> Any:
        sign = ops.sign(x[:, 0, :1])
        return ops.softmax(ops.concatenate([20.0 * sign, -20.0 * sign], 1) + 0.1 * ops.sum(x, 1))

    def far(x: Any) -> Any:
        return 1e4 + x[:, 0] + 2e-3 * ops.sum(x, axis=1)

    for function in (certain, far):
        use = used(function, series())
        assert use is not None
        assert (use.first, use.end) == (0, LENGTH)


def test_whole_numbers_are_sequences_and_two_columns_are_none(tensorflow_once: Any) -> None:
    from keras import ops

    tokens = np.random.default_rng(1).integers(0, 50, (8, LENGTH))

    def first(x: Any) -> Any:
        return ops.cast(x[:, :1], "float32")

    use = used(first, tokens)
    assert use is not None
    assert (use.positions, use.first, use.end) == (LENGTH, 0, 1)
    assert used(first, tokens[:, :2]) is None
    assert used(lambda x: x[:, :1], series()[:, :, 0]) is None  # columns of a table


def test_positions_at_which_samples_are_the_same(tensorflow_once: Any) -> None:
    from keras import ops

    x = series()
    x[:, 0] = 7.0  # what begins each sample
    begins = used(lambda x: x[:, 0], x)
    assert begins is not None
    assert (begins.first, begins.end) == (0, 0)
    # An answer that never changes says nothing of positions.
    assert used(lambda x: ops.zeros_like(x[:, 0]), x) is None
    # Nor is anything known where samples differ at two positions.
    alike = np.repeat(x[:1], 8, axis=0)
    alike[:, :2] = series()[:, :2]
    assert used(lambda x: x[:, 0], alike) is None


def test_what_has_no_answer_for_each_sample_is_left_out(tensorflow_once: Any) -> None:
    from keras import ops

    assert used(lambda x: x, series()) is None  # an answer at each position
    assert used(ops.sum, series()) is None

    def refuse(x: Any) -> Any:
        raise AttributeError("not now")

    assert used(refuse, series()) is None


def test_layers_that_join_positions_are_named(tensorflow_once: Any) -> None:
    from keras import layers

    parts = [
        layers.Dense(3, name="dense"),
        layers.Conv1D(3, 1, name="pointwise"),
        layers.Conv1D(3, 2, name="conv"),
        layers.GRU(2, name="gru"),
        layers.MultiHeadAttention(1, 2, name="attention"),
        layers.TimeDistributed(layers.Dense(2), name="each"),
    ]
    for part in parts:
        part(*[series()] * (2 if part.name == "attention" else 1))
    use = used(lambda x: x[:, 0], series(), parts)
    assert use is not None
    assert use.joining == ("conv", "gru", "attention")
