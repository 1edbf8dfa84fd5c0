"""Closed forms of every layer's gain, against the means over draws of real networks.

The forms use the size of what a layer is fed, its activation and the mean square of its weights;
the draws measure what it gives.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.theory.drawn_profile import time_limits
from gradscope.analyzer.theory.graph_causes import entries_of
from gradscope.record.initial_draws import TIMES
from gradscope.theory.ledger import Ledger, LedgerRow
from gradscope.theory.moments.gaussian_moments import gaussian_moments
from gradscope.theory.simple_recurrence import loop_course
from tests.each_case import each_case
from tests.runner.draws.starts import Starts, images, sequences

pytestmark = pytest.mark.tensorflow


def _transformer(blocks: int = 2, width: int = 24) -> Any:
    import keras
    from keras import layers

    start = keras.Input((12, 6))
    x = layers.Dense(width)(start)
    for _ in range(blocks):
        y = layers.LayerNormalization()(x)
        x = layers.Add()([x, layers.MultiHeadAttention(3, width // 3)(y, y)])
        y = layers.LayerNormalization()(x)
        y = layers.Dense(2 * width, "gelu", kernel_initializer="lecun_normal")(y)
        x = layers.Add()([x, layers.Dense(width)(y)])
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(start, layers.Dense(3, "softmax")(x))


def _residual(blocks: int = 3, filters: int = 16) -> Any:
    """Batch norm and ReLU before each convolution of a branch."""
    import keras
    from keras import layers

    options = {"padding": "same", "kernel_initializer": "he_normal"}
    start = keras.Input((8, 8, 3))
    x = layers.Conv2D(filters, 3, **options)(start)
    for _ in range(blocks):
        y = x
        for _ in range(2):
            y = layers.ReLU()(layers.BatchNormalization()(y))
            y = layers.Conv2D(filters, 3, **options)(y)
        x = layers.Add()([x, y])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(layers.BatchNormalization()(x)))
    return keras.Model(start, layers.Dense(3, "softmax")(x))


def _mixer(blocks: int = 2, width: int = 24) -> Any:
    """Its sums are written in the code, and make no layer."""
    import keras
    from keras import layers

    start = keras.Input((12, 6))
    x = layers.Dense(width)(start)
    for _ in range(blocks):
        y = layers.Permute((2, 1))(layers.LayerNormalization()(x))
        y = layers.Dense(12)(layers.Dense(24, "gelu")(y))
        x = x + layers.Permute((2, 1))(y)
        y = layers.Dense(2 * width, "gelu")(layers.LayerNormalization()(x))
        x = x + layers.Dense(width)(y)
    x = layers.GlobalAveragePooling1D()(layers.LayerNormalization()(x))
    return keras.Model(start, layers.Dense(3, "softmax")(x))


def _pooling() -> Any:
    import keras
    from keras import layers

    options = {"activation": "relu", "padding": "same", "kernel_initializer": "he_normal"}
    x = start = keras.Input((8, 8, 3))
    for filters in (16, 24, 32):
        x = layers.Conv2D(filters, 3, **options)(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Dense(32, "relu", kernel_initializer="he_normal")(layers.Flatten()(x))
    return keras.Model(start, layers.Dense(3, "softmax")(x))


NETWORKS: dict[str, tuple[Callable[[], Any], Callable[[], Any], float, float]] = {
    "transformer": (_transformer, sequences, 0.02, 0.30),
    "mixer": (_mixer, sequences, 0.02, 0.30),
    "residual": (_residual, images, 0.02, 0.30),
    "pooling": (_pooling, images, 0.15, 0.30),
}
"""Network, data, and the mean error in ln rms that a row may have, forward and back."""


def errors(entries: Ledger, rule: Callable[[LedgerRow], tuple[float, float]]) -> np.ndarray:
    """ln(rms) between what is measured and the closed form, of the rows that have one."""
    pairs = np.array([rule(row) for row in entries.rows])
    known = (pairs > 0).all(axis=1)
    values: np.ndarray = 0.5 * np.abs(np.log(pairs[known, 0] / pairs[known, 1]))
    return values


@each_case("name", tuple(NETWORKS))
def test_the_gain_of_each_layer_is_that_of_its_closed_form(name: str, tensorflow_once: Any) -> None:
    build, data, forward, back = NETWORKS[name]
    entries = entries_of(Starts(build, data(), draws=32).as_made)
    assert entries is not None
    gains = errors(entries, lambda row: (row.gain, row.rule.forward))
    assert len(gains) >= 0.5 * len(entries.rows)
    assert gains.mean() <= forward, gains
    backs = errors(entries, lambda row: (row.back, row.rule.back))
    assert len(backs) >= 0.3 * len(entries.rows)
    assert backs.mean() <= back, backs


def _loops() -> Any:
    """A SimpleRNN that gives every state, over one that gives its last."""
    import keras
    from keras import layers

    start = keras.Input((12, 6))
    x = layers.SimpleRNN(32, return_sequences=True, name="lower")(start)
    x = layers.SimpleRNN(32, name="upper")(x)
    return keras.Model(start, layers.Dense(3, "softmax")(x))


def test_a_loop_has_the_gains_of_its_closed_form(tensorflow_once: Any) -> None:
    """In the mean of both loops within 0.02 in ln rms forward and 0.03 back."""
    entries = entries_of(Starts(_loops, sequences(), draws=64).as_made)
    assert entries is not None
    rows = entries.rows[:2]
    forward = [0.5 * math.log(row.gain / row.rule.forward) for row in rows]
    back = [0.5 * math.log(row.back / row.rule.back) for row in rows]
    assert np.abs(forward).mean() <= 0.02, forward
    assert np.abs(back).mean() <= 0.03, back
    assert rows[1].name == "upper" and rows[1].back < 0.2


def test_words_and_gates_have_the_gains_of_their_closed_forms(tensorflow_once: Any) -> None:
    """An Embedding gives the rms of its weights; a gate multiplies by its own rms."""
    import keras
    from keras import layers

    def build() -> Any:
        start = keras.Input((12,), dtype="int32")
        x = layers.Embedding(40, 24, embeddings_initializer="random_normal")(start)
        value, gate = layers.Dense(24, name="value")(x), layers.Dense(24, "sigmoid")(x)
        x = layers.GlobalAveragePooling1D()(layers.Multiply()([value, gate]))
        return keras.Model(start, layers.Dense(3, "softmax")(x))

    rng = np.random.default_rng(7)
    data = rng.integers(0, 40, (64, 12)).astype("int32"), rng.integers(0, 3, 64)
    entries = entries_of(Starts(build, data, draws=16).as_made)
    assert entries is not None
    rows = {row.kind: row for row in entries.rows}
    assert rows["Embedding"].rule.forward == pytest.approx(0.05**2, rel=0.05)
    assert rows["Embedding"].gain == pytest.approx(0.05**2, rel=0.05)
    product = rows["Multiply"]
    assert product.gain == pytest.approx(0.25, rel=0.05)
    assert product.rule.forward == pytest.approx(product.gain, rel=0.04)
    assert product.rule.back == pytest.approx(product.back, rel=0.04)


LONG = 60


def _long_loop() -> Any:
    import keras
    from keras import layers

    start = keras.Input((LONG, 24))
    x = layers.SimpleRNN(48, name="loop")(start)
    return keras.Model(start, layers.Dense(3, "softmax")(x))


def test_delta_over_sixty_steps_of_a_loop_is_that_of_its_closed_form(tensorflow_once: Any) -> None:
    """Within a quarter in ln rms in the mean, while it falls by more than e^10.

    Each fresh initialisation lies in the band of the draws.
    """
    rng = np.random.default_rng(7)
    data = rng.normal(size=(64, LONG, 24)).astype("float32"), rng.integers(0, 3, 64)
    starts = Starts(_long_loop, data, draws=24)
    record = starts.as_made
    draws, limits = record.draws, time_limits(record)["loop"]
    assert draws is not None
    info = next(layer for layer in record.layers if layer.name == "loop")
    fed = float(np.square(data[0]).mean())
    course = loop_course(info, draws, fed, partial(gaussian_moments, "tanh"))
    assert course is not None
    expected = 0.5 * np.log(course[2] / course[2].max())
    assert expected[0] < -10.0
    assert np.abs(expected - np.log(limits.centre)).mean() <= 0.25
    assert limits.high[0] < 1e-3 and limits.centre[-1] == 1.0
    outside = []
    for seed in range(1, 11):
        start = starts.graph.fresh(seed)
        rows = start.draws.figures[TIMES]
        own = np.sqrt(rows[0] / rows[0].max())
        outside.append(bool(((own < limits.low) | (own > limits.high)).any()))
    assert sum(outside) <= 1


def test_a_layer_without_a_closed_form_has_none(tensorflow_once: Any) -> None:
    """Pools and the softmax; of a tensor that two layers read nothing is said going back."""
    entries = entries_of(Starts(_transformer, sequences(), draws=8).as_made)
    assert entries is not None
    by_kind = {row.kind: row.rule for row in entries.rows}
    assert np.isnan(by_kind["GlobalAveragePooling1D"].forward)
    first = next(row for row in entries.rows if row.kind == "LayerNormalization")
    assert np.isfinite(first.rule.forward) and np.isnan(first.rule.back)
    assert np.isnan(entries.rows[-1].rule.forward)
