"""Which layers everything flows through, on networks whose graphs can be drawn by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from gradscope.record import LayerInfo, Role
from gradscope.record.layers import branches

pytestmark = pytest.mark.tensorflow


def surveyed(build: Callable[[Any, Any], Any], *shapes: tuple[int, ...]) -> dict[str, LayerInfo]:
    """The layers by name of the model that `build` lays from inputs of these shapes."""
    import keras

    from gradscope.runner.step import measured_step

    inputs = [keras.Input(shape) for shape in shapes]
    x = inputs[0] if len(inputs) == 1 else inputs
    model = keras.Model(x, build(keras.layers, x))
    arrays = [np.zeros((2, *shape), np.float32) for shape in shapes]
    sites = measured_step.survey_model(model, arrays[0] if len(arrays) == 1 else arrays)
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


def test_attention_is_aside_and_time_steps_are_positions(runner_settings: Any) -> None:
    layers = surveyed(attention, (6, 3))
    assert {"project", "stream", "norm", "head"}.isdisjoint(aside(layers))
    assert len(aside(layers)) == 4  # query, key, value and the attention's output
    positions = {name: layers[name].positions for name in ("project", "stream", "pool", "head")}
    assert positions == {"project": 6, "stream": 6, "pool": 1, "head": 1}
    heads = [layer for name, layer in layers.items() if name.endswith(("query", "key", "value"))]
    assert [(layer.units, layer.positions) for layer in heads] == [(8, 6)] * 3  # 2 heads of 4 units


def test_channels_that_stand_first_are_units(runner_settings: Any) -> None:
    def first(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(3, 3, padding="same", data_format="channels_first", name="conv")(x)
        return layers.Dense(2, name="head")(layers.Flatten()(x))

    assert surveyed(first, (2, 8, 6))["conv"].positions == 48


def convolutions(layers: Any, x: Any) -> Any:
    x = layers.Conv2D(3, 3, padding="same", name="first")(x)
    x = layers.BatchNormalization(name="norm", momentum=0.9)(x)
    still = layers.BatchNormalization(name="still", trainable=False)
    x = layers.Conv2D(3, 3, strides=2, padding="same", name="second")(still(x))
    return layers.Dense(2, name="head")(layers.Flatten()(x))


def test_pixels_are_positions_and_batch_norms_have_momentum(runner_settings: Any) -> None:
    layers = surveyed(convolutions, (8, 6, 2))
    assert aside(layers) == set()
    positions = [layers[name].positions for name in ("first", "norm", "second", "head")]
    assert positions == [48, 48, 12, 1]
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
    assert layers["lstm"].positions == 7
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


def glued(layers: Any, x: Any) -> Any:
    x = layers.Dense(4, activation="relu", name="stem")(x)
    return layers.Dense(2, name="head")(x + layers.Dense(4, name="branch")(x))


def added_by_an_operation(layers: Any, x: Any) -> Any:
    import keras

    x = layers.Dense(4, activation="relu", name="stem")(x)
    return layers.Dense(2, name="head")(keras.ops.add(x, layers.Dense(4, name="branch")(x)))


def subclassed_sum(layers: Any, x: Any) -> Any:
    class Sum(layers.Add):  # type: ignore[misc]
        pass

    x = layers.Dense(4, activation="relu", name="stem")(x)
    return layers.Dense(2, name="head")(Sum(name="sum")([x, layers.Dense(4, name="branch")(x)]))


def subclassed_block(layers: Any, x: Any) -> Any:
    class Block(layers.Layer):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = layers.Dense(4, activation="relu", name="branch")

        def build(self, shape: Any) -> None:
            self.inner.build(shape)

        def call(self, x: Any) -> Any:
            return x + self.inner(x)

    x = layers.Dense(4, name="stem")(x)
    return layers.Dense(2, name="head")(Block()(x))


def gated(layers: Any, x: Any) -> Any:
    x = layers.Dense(4, activation="relu", name="stem")(x)
    gate = layers.Activation("sigmoid", name="branch")(x)
    return layers.Dense(2, name="head")(layers.Multiply()([x, gate]))


def dropped_aside(layers: Any, x: Any) -> Any:
    x = layers.Dense(4, activation="relu", name="stem")(x)
    return layers.Dense(2, name="head")(x + layers.Dropout(0.5, name="branch")(x))


def two_heads(layers: Any, x: Any) -> Any:
    x = layers.Dense(4, activation="relu", name="stem")(x)
    return [layers.Dense(2, name="branch")(x), layers.Dense(3, name="other")(x)]


def both_directions(layers: Any, x: Any) -> Any:
    x = layers.Reshape((5, 1))(x)
    return layers.Dense(2, name="head")(layers.Bidirectional(layers.LSTM(3, name="loop"))(x))


@pytest.mark.parametrize(
    ("build", "shape"),
    [
        (glued, (5,)),
        (added_by_an_operation, (5,)),
        (subclassed_sum, (5,)),
        (subclassed_block, (5,)),
        (gated, (5,)),
        (dropped_aside, (5,)),
        (two_heads, (5,)),
        (both_directions, (5,)),
        (attention, (6, 3)),
    ],
)
def test_a_network_with_several_paths_branches(
    build: Any, shape: tuple[int, ...], runner_settings: Any
) -> None:
    layers = surveyed(build, shape)
    assert branches(layers.values())
    if "branch" in layers:
        off_path = {name for name, layer in layers.items() if not layer.main_path}
        assert off_path == ({"branch", "other"} if "other" in layers else {"branch"})


def chain(layers: Any, x: Any) -> Any:
    import keras

    shared = layers.Dense(4, activation="gelu", name="shared")
    x = layers.Dropout(0.5)(shared(layers.Dense(4, name="stem")(x)))
    x = layers.BatchNormalization()(shared(x))
    x = layers.LayerNormalization()(x * keras.ops.sigmoid(x))  # an activation, not a branch
    x = layers.LSTM(3)(layers.Masking()(layers.Reshape((4, 1))(x)))
    return layers.Dense(2, activation="softmax", name="head")(x)


def joined_inputs(layers: Any, x: Any) -> Any:
    x = layers.Concatenate(name="both")(x)
    return layers.Dense(2, name="head")(layers.Dense(3, activation="relu", name="stem")(x))


def rescaled_answers(layers: Any, x: Any) -> Any:
    x = layers.Dense(3, activation="relu", name="stem")(x)
    return layers.Rescaling(50.0)(layers.Dense(1, activation="sigmoid", name="head")(x))


@pytest.mark.parametrize(
    ("build", "shapes"),
    [(chain, [(5,)]), (joined_inputs, [(4,), (5,)]), (rescaled_answers, [(4,)])],
)
def test_a_network_of_one_path_does_not_branch(
    build: Any, shapes: list[tuple[int, ...]], runner_settings: Any
) -> None:
    layers = surveyed(build, *shapes)
    assert layers["head"].role is Role.OUTPUT
    assert not branches(layers.values())


def test_a_sequential_model_does_not_branch(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.step import measured_step

    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((6, 6, 1)),
            layers.Conv2D(2, 3),
            layers.ReLU(),
            layers.Flatten(),
            layers.Dense(4, activation="silu"),
            layers.PReLU(),
            layers.Dense(1),
        ]
    )
    sites = measured_step.survey_model(model, np.zeros((2, 6, 6, 1), np.float32))
    assert not branches(sites.layers)


def test_a_subclassed_model_with_a_sum_in_its_call_branches(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.step import measured_step

    layers = keras.layers

    class Residual(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.stem = layers.Dense(4, name="stem")
            self.inner = layers.Dense(4, activation="relu", name="inner")
            self.head = layers.Dense(2, name="head")

        def call(self, x: Any) -> Any:
            x = self.stem(x)
            return self.head(x + self.inner(x))

    model, x = Residual(), np.zeros((2, 5), np.float32)
    model(x)
    sites = measured_step.survey_model(model, x)
    assert {layer.name for layer in sites.layers if not layer.main_path} == {"inner"}
    assert branches(sites.layers)
