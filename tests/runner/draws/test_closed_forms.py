"""Closed forms of every layer's gain, against the means over draws of real networks.

The forms use the size of what a layer is fed, its activation and the mean square of its weights;
the draws measure what it gives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.theory.graph_causes import entries_of
from gradscope.theory.ledger import Ledger, LedgerRow
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
    """Within 2 % in rms forward and 5 % back, where the gradient falls over the time steps."""
    entries = entries_of(Starts(_loops, sequences(), draws=32).as_made)
    assert entries is not None
    for row in entries.rows[:2]:
        assert row.gain == pytest.approx(row.rule.forward, rel=0.04), row.name
    upper = entries.rows[1]
    assert upper.name == "upper" and upper.back < 0.1
    assert upper.back == pytest.approx(upper.rule.back, rel=0.1)


def test_a_layer_without_a_closed_form_has_none(tensorflow_once: Any) -> None:
    """Pools and the softmax; of a tensor that two layers read nothing is said going back."""
    entries = entries_of(Starts(_transformer, sequences(), draws=8).as_made)
    assert entries is not None
    by_kind = {row.kind: row.rule for row in entries.rows}
    assert np.isnan(by_kind["GlobalAveragePooling1D"].forward)
    first = next(row for row in entries.rows if row.kind == "LayerNormalization")
    assert np.isfinite(first.rule.forward) and np.isnan(first.rule.back)
    assert np.isnan(entries.rows[-1].rule.forward)
