"""Draw 0 of whole models: nested, shared, subclassed, and one that is loaded from a file."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gradscope.record.initial_draws import WeightDraw
from tests.each_case import each_case

pytestmark = pytest.mark.tensorflow


def _nested() -> Any:
    """A model inside a model, with an own layer of the same kind beside it."""
    import keras
    from keras import layers

    inner = keras.Sequential([keras.Input((5,)), layers.Dense(5, "relu"), layers.Dense(5)])
    start = keras.Input((5,))
    return keras.Model(start, layers.Dense(2)(inner(layers.Dense(5)(start))))


def _shared() -> Any:
    """One layer called on two inputs, as in a siamese network."""
    import keras
    from keras import layers

    tower = layers.Dense(4, kernel_initializer="orthogonal")
    left, right = keras.Input((4,)), keras.Input((4,))
    x = layers.Concatenate()([tower(left), tower(tower(right))])
    return keras.Model([left, right], layers.Dense(2, kernel_initializer="he_uniform")(x))


def _subclassed() -> Any:
    """A model of its own class, whose block makes a weight by hand and builds when called."""
    import keras
    from keras import layers

    class Block(layers.Layer):
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Dense(6, kernel_initializer="he_normal")

        def build(self, shape: Any) -> None:
            law = keras.initializers.VarianceScaling(0.5, "fan_out", "uniform")
            self.gate = self.add_weight(shape=(shape[-1], 6), initializer=law, name="gate")
            self.named = self.add_weight((6,), "random_normal", name="named")

        def call(self, x: Any) -> Any:
            return self.inner(x) * keras.ops.tanh(x @ self.gate) + self.named

    class Tower(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.blocks = [Block(), Block()]
            self.head = layers.Dense(2)

        def call(self, x: Any) -> Any:
            for block in self.blocks:
                x = block(x)
            return self.head(x)

    model = Tower()
    model(np.zeros((1, 6), "float32"))
    return model


def _recurrent() -> Any:
    """Cells stacked in one RNN, and a bidirectional layer of the other kind of cell."""
    import keras
    from keras import layers

    start = keras.Input((4, 3))
    x = layers.RNN([layers.LSTMCell(4), layers.GRUCell(3)], return_sequences=True)(start)
    return keras.Model(start, layers.Bidirectional(layers.GRU(2))(x))


MODELS: dict[str, tuple[Callable[[], Any], int]] = {
    "nested": (_nested, 4),
    "shared": (_shared, 2),
    "subclassed": (_subclassed, 7),
    "recurrent": (_recurrent, 8),
}
"""The builders, and how many of their weights are random."""


@each_case("kind", tuple(MODELS))
def test_draw_0_of_a_model_is_the_model(kind: str, tensorflow_once: Any) -> None:
    """Draws 1 and 2 differ in every random weight, and in no other."""
    from gradscope.runner.draws.redraw import Redraw
    from gradscope.runner.draws.weight_laws import recorded_laws

    build, random_weights = MODELS[kind]
    with recorded_laws() as laws:
        model = build()
    redraw = Redraw(model, laws.of_weights(model.weights))
    assert sum(item.draw is WeightDraw.AS_MADE for item in redraw.weights) == random_weights
    others = {item.draw for item in redraw.weights if not item.drawn}
    assert others <= {WeightDraw.CONSTANT}
    drawn = [model.get_weights()]
    for draw in (0, 1, 2):
        redraw(draw)
        drawn.append(model.get_weights())
    for item, own, again, first, second in zip(redraw.weights, *drawn, strict=True):
        assert own.tobytes() == again.tobytes(), (kind, item.path)
        assert (first.tobytes() != own.tobytes()) is item.drawn, (kind, item.path)
        assert (first.tobytes() != second.tobytes()) is item.drawn, (kind, item.path)


@contextlib.contextmanager
def _values_when_made() -> Iterator[dict[int, Any]]:
    """What each weight is when `add_weight` has made it, before anything else is put into it."""
    import keras

    made: dict[int, Any] = {}
    layer: Any = keras.layers.Layer
    original = layer.add_weight

    def add_weight(self: Any, *args: Any, **kwargs: Any) -> Any:
        variable = original(self, *args, **kwargs)
        made[id(variable)] = np.array(variable)
        return variable

    layer.add_weight = add_weight
    try:
        yield made
    finally:
        layer.add_weight = original


def test_a_loaded_file_is_drawn_as_before_its_weights_were_set(
    tmp_path: Path, tensorflow_once: Any
) -> None:
    """Draw 0 is what its initializers gave while it was loaded, and not what the file holds."""
    import keras

    from gradscope.runner.draws.redraw import Redraw
    from gradscope.runner.draws.weight_laws import recorded_laws

    saved = _nested()
    saved.save(tmp_path / "saved.keras")
    with _values_when_made() as made, recorded_laws() as laws:
        model = keras.models.load_model(tmp_path / "saved.keras")
    for ours, theirs in zip(model.get_weights(), saved.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    redraw = Redraw(model, laws.of_weights(model.weights))
    kernels = [item for item in redraw.weights if item.path.endswith("kernel")]
    assert {item.draw for item in kernels} == {WeightDraw.OTHER_VALUES} and len(kernels) == 4
    redraw(0)
    for item, weight in zip(redraw.weights, model.weights, strict=True):
        assert np.array(weight).tobytes() == made[id(weight)].tobytes(), item.path
    redraw.restore()
    for ours, theirs in zip(model.get_weights(), saved.get_weights(), strict=True):
        assert ours.tobytes() == theirs.tobytes()
