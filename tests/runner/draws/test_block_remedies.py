"""What is advised for blocks without a norm, tried: the stream grows as is promised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.analyzer.theory.graph_causes import design_causes, design_remedies, entries_of
from gradscope.record import Action
from gradscope.reporters.remedies.reader import Form, Reader
from gradscope.reporters.remedies.wording import remedy_text
from gradscope.theory.ledger_causes import LedgerKind
from tests.runner.draws.starts import Starts, images, vectors

pytestmark = pytest.mark.tensorflow

BLOCKS, WIDTH, DRAWS = 6, 32, 16
Layer = Callable[[Any], Any]


def _scaled(x: Any) -> Any:
    import keras

    return keras.layers.Rescaling(float(f"{BLOCKS**-0.5:.2g}"))(x)


def _zero_scale_and_gamma(x: Any) -> Any:
    """Both of them, the one behind the other."""
    import keras

    x = keras.layers.EinsumDense("...c,c->...c", (WIDTH,), kernel_initializer="zeros")(x)
    return keras.layers.BatchNormalization(gamma_initializer="zeros")(x)


def _normed(x: Any) -> Any:
    import keras

    return keras.layers.LayerNormalization()(x)


def _stream(begin: Layer | None = None, end: Layer | None = None, law: str = "lecun_normal") -> Any:
    """Residual blocks of two Dense layers, with a layer at the begin or end of each branch."""
    import keras
    from keras import layers

    start = keras.Input((12,))
    x = layers.Dense(WIDTH, name="stem")(start)
    for block in range(BLOCKS):
        y = begin(x) if begin else x
        y = layers.Dense(WIDTH, "relu", kernel_initializer="he_normal")(y)
        y = layers.Dense(WIDTH, kernel_initializer=law)(y)
        x = layers.Add(name=f"sum_{block}")([x, end(y) if end else y])
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))


def _growth(starts: Starts) -> float:
    """By how much the stream's rms grows from the first block's input to the last sum."""
    entries = entries_of(starts.as_made)
    assert entries is not None
    blocks = [block for block in entries.blocks if block.name.startswith("sum_")]
    assert len(blocks) == BLOCKS
    return float(blocks[-1].fed * np.sqrt(blocks[-1].gain) / blocks[0].fed)


@pytest.mark.long("13 s")
def test_each_remedy_for_blocks_without_a_norm_does_what_it_promises(tensorflow_once: Any) -> None:
    plain = Starts(_stream, vectors(), draws=DRAWS)
    [cause] = [one for one in design_causes(plain.as_made) if one.kind is LedgerKind.BLOCKS]
    remedies = {remedy.action: remedy for remedy in design_remedies(cause)}
    assert list(remedies) == [
        Action.SCALE_BRANCHES,
        Action.START_AS_IDENTITY,
        Action.NORMALIZE_BRANCHES,
    ]
    before = _growth(plain)
    assert before == pytest.approx(cause.total, rel=1e-6) and before > 5.0
    tried = {
        Action.SCALE_BRANCHES: [_stream_with(end=_scaled)],
        Action.START_AS_IDENTITY: [
            _stream_with(law="zeros"),
            _stream_with(end=_zero_scale_and_gamma),
        ],
        Action.NORMALIZE_BRANCHES: [_stream_with(begin=_normed)],
    }
    for action, builders in tried.items():
        promised = remedies[action].growth
        assert promised is not None
        for build in builders:
            after = _growth(Starts(build, vectors(), draws=8))
            assert after == pytest.approx(promised, rel=0.25), (action, after, promised)
            assert after < before / 2.0
    words = [remedy_text(remedy, Reader(Form.KERAS)) for remedy in remedies.values()]
    assert "Rescaling(0.41)" in words[0] and "1/sqrt(6)" in words[0]
    assert 'gamma_initializer="zeros"' in words[1] and "SkipInit" in words[1]
    assert all("rms over 6 blocks" in text for text in words)


def _stream_with(**options: Any) -> Callable[[], Any]:
    return lambda: _stream(**options)


def test_blocks_with_a_norm_behind_the_sum_do_not_multiply(tensorflow_once: Any) -> None:
    """Post-norm blocks, and branches that end in a norm: the stream's size is set anew."""
    import keras
    from keras import layers

    def after_the_sum() -> Any:
        start = keras.Input((12,))
        x = layers.Dense(WIDTH)(start)
        for _ in range(4):
            x = layers.LayerNormalization()(layers.Add()([x, layers.Dense(WIDTH)(x)]))
        return keras.Model(start, layers.Dense(3, "softmax")(x))

    for build in (after_the_sum, _stream_with(end=_normed)):
        record = Starts(build, vectors(), draws=8).as_made
        entries = entries_of(record)
        assert entries is not None and all(block.normed for block in entries.blocks)
        assert LedgerKind.BLOCKS not in {one.kind for one in design_causes(record)}


def test_the_law_advised_for_a_chain_keeps_the_size_of_its_signal(tensorflow_once: Any) -> None:
    """Small images, where a third of what a kernel reads is padding."""
    import keras
    from keras import layers

    def build(law: Any = "glorot_uniform") -> Any:
        x = start = keras.Input((8, 8, 3))
        for _ in range(7):
            x = layers.Conv2D(12, 3, padding="same", activation="relu", kernel_initializer=law)(x)
        x = layers.Flatten()(x)
        return keras.Model(start, layers.Dense(3, "softmax")(x))

    def kept(starts: Starts) -> float:
        entries = entries_of(starts.as_made)
        assert entries is not None
        at = next(at for at, row in enumerate(entries.rows) if row.kind == "Flatten")
        return float(np.sqrt(entries.product(at)))

    plain = Starts(build, images(), draws=8)
    [cause] = [one for one in design_causes(plain.as_made) if one.kind is LedgerKind.LAYERS]
    assert cause.scale > 1.1 * cause.weights
    [remedy] = design_remedies(cause)
    [(key, law)] = remedy.settings
    assert key == "model.kernel_initializer" and isinstance(law, dict)
    scaled = keras.initializers.VarianceScaling(float(law["scale"]), mode=str(law["mode"]))
    assert kept(plain) < 0.1
    assert 0.7 < kept(Starts(lambda: build(scaled.clone()), images(), draws=8)) < 1.4
