"""Sums in a model's code are rows and blocks of the ledger as `Add` layers are."""

from __future__ import annotations

from typing import Any

import pytest

from gradscope.analyzer.theory import causes
from gradscope.analyzer.theory.graph_causes import design_causes, entries_of
from gradscope.theory.ledger_causes import LedgerKind
from tests.runner.draws.starts import Starts, images, vectors

pytestmark = pytest.mark.tensorflow

BLOCKS = 7


def _stream(way: str) -> Any:
    import keras
    from keras import layers

    start = keras.Input((12,))
    x = layers.Dense(32, name="stem")(start)
    for at in range(BLOCKS):
        y = layers.Dense(32, "relu", kernel_initializer="he_normal", name=f"low_{at}")(x)
        y = layers.Dense(32, kernel_initializer="he_normal", name=f"high_{at}")(y)
        x = x + y if way == "code" else layers.Add()([y, x])
    return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))


def test_a_sum_in_code_is_what_an_add_layer_is(tensorflow_once: Any) -> None:
    """The same weights give the same blocks, also where the branch is its first input."""
    rows = {}
    for way in ("layer", "code"):
        record = Starts(lambda way=way: _stream(way), vectors(), draws=6).as_made
        entries = entries_of(record)
        assert entries is not None
        rows[way] = [(block.last, block.added, block.gain) for block in entries.blocks]
    assert len(rows["code"]) == BLOCKS and rows["code"][3][0] == "high_3"
    for ours, theirs in zip(rows["code"], rows["layer"], strict=True):
        assert ours[0] == theirs[0] and ours[1:] == pytest.approx(theirs[1:], rel=1e-6)
    assert entries.blocks[0].name == "x + high_0"
    path = [row.name for row in entries.path(len(entries.rows) - 1)]
    assert path == ["stem", *(f"x + high_{at}" for at in range(BLOCKS)), "classes"]
    [cause] = design_causes(record)
    assert cause.kind is LedgerKind.BLOCKS and cause.count == BLOCKS and cause.total > 30.0
    designed = causes.growth_by_design(record)
    assert designed is not None and designed.remedies
    assert designed.sentence.startswith(f"By design: each of {BLOCKS} blocks without a norm adds")


def test_the_path_of_a_subclassed_block_is_its_stream(tensorflow_once: Any) -> None:
    """As in ConvNeXt: branches that start at 1e-6 are no layers of a chain that vanishes."""
    import keras
    from keras import layers

    class Block(layers.Layer):
        def __init__(self, name: str) -> None:
            super().__init__(name=name)
            self.norm, self.mix = layers.LayerNormalization(), layers.Dense(24, "gelu")
            self.back = layers.Dense(8, name="back")

        def build(self, shape: Any) -> None:
            law = keras.initializers.Constant(1e-6)
            self.gamma = self.add_weight((8,), law, name="gamma")

        def call(self, x: Any) -> Any:
            return x + self.gamma * self.back(self.mix(self.norm(x)))

    def build() -> Any:
        start = keras.Input((8, 8, 3))
        x = layers.Conv2D(8, 2, strides=2, name="stem")(start)
        for at in range(4):
            x = Block(f"block_{at}")(x)
        x = layers.GlobalAveragePooling2D(name="pool")(x)
        return keras.Model(start, layers.Dense(3, "softmax", name="classes")(x))

    record = Starts(build, images(), draws=8).as_made
    entries = entries_of(record)
    assert entries is not None
    assert [block.last for block in entries.blocks] == [f"block_{at}/back" for at in range(4)]
    assert all(block.added < 1e-10 for block in entries.blocks)
    path = [row.name for row in entries.path(len(entries.rows) - 1)]
    assert path == ["stem", *(f"x + block_{at}/back" for at in range(4)), "pool", "classes"]
    assert entries.product(len(entries.rows) - 2) == pytest.approx(
        entries.rows[-2].given / entries.rows[0].fed, rel=1e-6
    )
    assert LedgerKind.LAYERS not in {cause.kind for cause in design_causes(record)}
