"""What the survey says of layers by their classes: subclasses, cells, Keras's own layers."""

from __future__ import annotations

from typing import Any

import pytest

from gradscope.record import Trait
from tests.layers import TRAITS

pytestmark = pytest.mark.tensorflow

ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "Dense": (2,),
    "Conv2D": (2, 3),
    "Embedding": (5, 2),
    "SimpleRNN": (2,),
    "LSTM": (2,),
    "GRU": (2,),
    "Activation": ("relu",),
    "Dropout": (0.5,),
    "AlphaDropout": (0.5,),
}


@pytest.mark.parametrize("name", TRAITS)
def test_rows_made_without_keras_have_the_traits_of_its_layers(
    name: str, runner_settings: Any
) -> None:
    import keras

    from gradscope.runner.survey.layer_kinds import traits_of

    made = getattr(keras.layers, name)(*ARGUMENTS.get(name, ()))
    assert traits_of(made) == TRAITS[name]


def test_subclasses_have_the_traits_of_their_base_class(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.survey.layer_kinds import traits_of

    layers = keras.layers

    class Sum(layers.Add):  # type: ignore[misc]
        pass

    class Norm(layers.BatchNormalization):  # type: ignore[misc]
        def call(self, *args: Any, **kwargs: Any) -> Any:
            return 2.0 * super().call(*args, **kwargs)

    class Plain(layers.Dense):  # type: ignore[misc]
        pass

    assert traits_of(Sum()) == TRAITS["Add"]
    assert traits_of(Norm()) == TRAITS["BatchNormalization"]
    assert traits_of(Plain(3)) == TRAITS["Dense"]


def test_a_subclass_with_another_call_need_not_be_linear(runner_settings: Any) -> None:
    """Theory must not predict a Dense layer that computes something else."""
    import keras

    from gradscope.runner.survey.layer_kinds import traits_of

    class Noisy(keras.layers.Dense):  # type: ignore[misc]
        def call(self, x: Any) -> Any:
            return super().call(x) * 3.0

    assert traits_of(Noisy(3)) == ()
    assert traits_of(keras.layers.SpatialDropout2D(0.5)) == (Trait.RANDOM,)


def test_a_loop_has_the_traits_of_its_cell(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.survey.layer_kinds import traits_of

    layers = keras.layers
    assert traits_of(layers.RNN(layers.GRUCell(2))) == TRAITS["GRU"]
    assert traits_of(layers.RNN([layers.LSTMCell(2), layers.LSTMCell(2)])) == (Trait.LOOP,)
    assert traits_of(layers.TimeDistributed(layers.Dense(2))) == (Trait.LOOP,)


def test_every_class_of_the_table_is_in_keras(runner_settings: Any) -> None:
    """A misspelt name would be left out as if an older Keras lacked it."""
    import keras

    from gradscope.runner.sources.known_classes import CLASSES
    from gradscope.runner.survey.layer_kinds import LAYER_KINDS

    names = [name for kind in LAYER_KINDS for name in kind.names]
    assert len(set(names)) == len(names)
    newer = {"RMSNormalization"}
    assert [name for name in names if not hasattr(keras.layers, name)] in ([], sorted(newer))
    assert set(names) - CLASSES["keras.layers"] == set(), "not allowed in a `.keras` file"
