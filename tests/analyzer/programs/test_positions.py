"""Sequences of which the answer sees one position, and some of which it sees all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record import Diagnosis
from tests.analyzer.programs.running import CLASSES, Data, actions, diagnosed_model, finding

pytestmark = pytest.mark.tensorflow

LENGTH = 8


def tokens(samples: int = 480) -> Data:
    """Sequences of tokens; the class is whether most of them are of the upper half."""
    random = np.random.default_rng(1)
    x = random.integers(1, 20, (samples, LENGTH))
    return x, ((x > 10).sum(axis=1) > LENGTH / 2).astype(int)


def transformer(x: Any, *, causal: bool) -> Any:
    from keras import layers

    attended = layers.MultiHeadAttention(2, 8, name="attention")(x, x, use_causal_mask=causal)
    return layers.LayerNormalization()(x + attended)


def judged(
    read: Any, data: Data | None = None, *, causal: bool = True, lstm: bool = False
) -> Diagnosis:
    import keras
    from keras import layers

    given = keras.Input((LENGTH,), dtype="int32")
    h = layers.Embedding(20, 16)(given)
    h = (
        layers.LSTM(16, return_sequences=True, name="lstm")(h)
        if lstm
        else transformer(h, causal=causal)
    )
    model = keras.Model(given, layers.Dense(2, activation="softmax")(read(h)))
    optimizer = keras.optimizers.Adam(1e-2)
    return diagnosed_model(model, data or tokens(), CLASSES, optimizer, 20)


def named(diagnosis: Diagnosis) -> bool:
    return "GS613" in [verdict.code for verdict in diagnosis.verdicts if verdict.findings]


@pytest.mark.long("18 s")
def test_the_first_position_under_a_causal_mask() -> None:
    sick = judged(lambda h: h[:, 0])
    assert "the first of 8 positions alone" in sick.headline
    assert actions(sick) == ["read_all_positions"]
    # Both that the remedy names.
    assert not named(judged(lambda h: h[:, -1]))
    assert not named(judged(_mean))


def _mean(h: Any) -> Any:
    from keras import ops

    return ops.mean(h, axis=1)


def test_a_token_that_begins_each_sequence() -> None:
    x, y = tokens()
    x[:, 0] = 0
    sick = judged(lambda h: h[:, 0], (x, y))
    assert finding(sick, "GS613").severity == "error"
    assert "at which all samples are the same" in sick.headline
    assert not named(judged(lambda h: h[:, 0], (x, y), causal=False))


def test_the_first_output_of_a_recurrence() -> None:
    sick = judged(lambda h: h[:, 0], lstm=True)
    assert sick.verdicts[0].code == "GS613"
    assert finding(sick, "GS613").layers == ("lstm",)
    assert not named(judged(lambda h: h[:, -1], lstm=True))
