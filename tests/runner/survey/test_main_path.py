"""Which layers everything flows through, on networks whose graphs can be drawn by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record import LayerInfo

pytestmark = pytest.mark.tensorflow


def surveyed(build: Callable[[Any, Any], Any], *shapes: tuple[int, ...]) -> dict[str, LayerInfo]:
    """The layers by name of the model that `build` lays from inputs of these shapes."""
    import keras

    from gradscope.runner.step import tape

    inputs = [keras.Input(shape) for shape in shapes]
    x = inputs[0] if len(inputs) == 1 else inputs
    model = keras.Model(x, build(keras.layers, x))
    arrays = [np.zeros((2, *shape), np.float32) for shape in shapes]
    sites = tape.survey_model(model, arrays[0] if len(arrays) == 1 else arrays)
    return {layer.name: layer for layer in sites.layers}


def aside(layers: dict[str, LayerInfo]) -> set[str]:
    return {name for name, layer in layers.items() if layer.measured and not layer.main_path}


def residual(layers: Any, x: Any) -> Any:
    x = layers.Dense(4, name="stem")(x)
    branch = layers.Dense(4, activation="relu", name="in_branch")(x)
    branch = layers.BatchNormalization(name="norm_in_branch")(branch)
    x = layers.Add(name="sum")([x, layers.Dense(4, name="end_of_branch")(branch)])
    x = x + layers.Dense(4, name="glued")(x)  # no layer adds this one
    x = layers.Dropout(0.5)(layers.Dense(3, activation="gelu", name="after")(x))
    return layers.Dense(2, activation="softmax", name="head")(x)


def test_residual_branches_are_aside(runner_settings: Any) -> None:
    layers = surveyed(residual, (5,))
    assert aside(layers) == {"in_branch", "norm_in_branch", "end_of_branch", "glued"}
    assert {"stem", "sum", "after", "head"} <= set(layers)


def attention(layers: Any, x: Any) -> Any:
    x = layers.Dense(8, name="project")(x)
    a = layers.MultiHeadAttention(2, 4, name="attention")(x, x)
    x = layers.LayerNormalization(name="norm")(layers.Add(name="stream")([x, a]))
    x = layers.GlobalAveragePooling1D(name="pool")(x)
    return layers.Dense(2, name="head")(x)


def test_attention_is_aside_and_time_steps_are_places(runner_settings: Any) -> None:
    layers = surveyed(attention, (6, 3))
    assert {"project", "stream", "norm", "head"}.isdisjoint(aside(layers))
    assert len(aside(layers)) == 4  # query, key, value and the attention's output
    places = {name: layers[name].places for name in ("project", "stream", "pool", "head")}
    assert places == {"project": 6, "stream": 6, "pool": 1, "head": 1}
    heads = [layer for name, layer in layers.items() if name.endswith(("query", "key", "value"))]
    assert [(layer.units, layer.places) for layer in heads] == [(8, 6)] * 3  # 2 heads of 4 units


def test_channels_that_stand_first_are_units(runner_settings: Any) -> None:
    def first(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(3, 3, padding="same", data_format="channels_first", name="conv")(x)
        return layers.Dense(2, name="head")(layers.Flatten()(x))

    assert surveyed(first, (2, 8, 6))["conv"].places == 48


def convolutions(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(3, 3, padding="same", name="first")(x)
    x = layers.BatchNormalization(name="norm", momentum=0.9)(x)
    still = layers.BatchNormalization(name="still", trainable=False)
    x = layers.Conv2D(3, 3, strides=2, padding="same", name="second")(still(x))
    return layers.Dense(2, name="head")(layers.Flatten()(x))


def test_pixels_are_places_and_batch_norms_have_momentum(runner_settings: Any) -> None:
    layers = surveyed(convolutions, (8, 6, 2))
    assert aside(layers) == set()
    places = [layers[name].places for name in ("first", "norm", "second", "head")]
    assert places == [48, 48, 12, 1]
    assert layers["norm"].momentum == pytest.approx(0.9)
    assert layers["still"].momentum is None


def joined(layers: Any, x: Any) -> Any:
    parts = [layers.Dense(3, name=f"of_input_{i}")(one) for i, one in enumerate(x)]
    x = layers.Dense(4, name="joint")(layers.Concatenate(name="both")(parts))
    return [layers.Dense(1, name="left")(x), layers.Dense(1, name="right")(x)]


def test_each_of_two_inputs_and_outputs_is_aside(runner_settings: Any) -> None:
    layers = surveyed(joined, (4,), (5,))
    assert aside(layers) == {"of_input_0", "of_input_1", "left", "right"}


def masked(layers: Any, x: Any) -> Any:
    x = layers.Masking()(x)
    x = layers.LSTM(4, return_sequences=True, name="lstm")(x)
    x = layers.Bidirectional(layers.GRU(3), name="both_ways")(x)
    return layers.Dense(1, activation="sigmoid", name="head")(x)


def test_masks_and_loops_open_no_second_path(runner_settings: Any) -> None:
    layers = surveyed(masked, (7, 2))
    assert layers["lstm"].main_path
    assert layers["lstm"].places == 7
    assert layers["head"].main_path
    assert len(aside(layers)) == 2  # each direction goes around the other


def deep(layers: Any, x: Any) -> Any:
    for _ in range(70):
        x = layers.Add()([x, layers.Dense(2)(x)])
    return layers.Dense(2, name="head")(x)


def test_many_branches_are_counted_exactly(runner_settings: Any) -> None:
    layers = surveyed(deep, (2,))
    assert layers["head"].main_path
    assert sum(not layer.main_path for layer in layers.values()) == 70
