"""Layers inside a block carry its name; what keras-hub calls gelu_approximate is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def _names(model: Any, *shape: int) -> list[str]:
    from gradscope.runner.step import measured_step

    x = np.zeros((2, *shape), np.float32)
    return [layer.name for layer in measured_step.survey_model(model, x).layers]


def test_layers_of_a_block_carry_its_name(runner_settings: Any) -> None:
    import keras

    layers = keras.layers

    class Block(layers.Layer):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__(name="block")
            self.wide = layers.Dense(6, name="wide")
            self.narrow = keras.Sequential([layers.Dense(3, name="narrow")], name="inner")

        def call(self, x: Any) -> Any:
            return self.narrow(self.wide(x))

    given = keras.Input((4,))
    model = keras.Model(given, layers.Dense(2, name="end")(Block()(given)))
    assert _names(model, 4) == ["block/wide", "block/inner/narrow", "end"]


def test_layers_of_a_nested_functional_model_keep_their_names(runner_settings: Any) -> None:
    import keras

    layers = keras.layers
    inner = keras.Sequential([keras.Input((4,)), layers.Dense(3, name="hidden")], name="inner")
    given = keras.Input((4,))
    model = keras.Model(given, layers.Dense(2, name="end")(inner(given)))
    assert _names(model, 4) == ["hidden", "end"]


def test_the_approximate_gelu_of_keras_hub_has_its_derivative(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.survey import layer_kinds

    def gelu_approximate(x: Any) -> Any:
        return keras.activations.gelu(x, approximate=True)

    gelu_approximate.__module__ = "keras_hub.src.utils.keras_utils"
    name, entry, parameters = layer_kinds.activation_of(
        keras.layers.Dense(3, activation=gelu_approximate)
    )
    assert (name, parameters) == ("gelu", {"approximate": True})
    assert entry is not None
    z = np.linspace(-5, 5, 101)
    expected = np.asarray(gelu_approximate(z.astype(np.float32)))
    np.testing.assert_allclose(entry.value(z, keras.ops, **parameters), expected, atol=1e-6)


def test_float8_is_refused_in_a_sentence(runner_settings: Any) -> None:
    import keras

    from gradscope.errors import BadRequest
    from gradscope.runner.survey import unmeasurable

    model = keras.Sequential([keras.Input((16,)), keras.layers.Dense(16, name="hidden")])
    unmeasurable.refuse_float8(model)
    model.get_layer("hidden").quantize("float8")
    with pytest.raises(BadRequest, match="hidden is quantized to float8"):
        unmeasurable.refuse_float8(model)
