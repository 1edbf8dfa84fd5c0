"""Keras's names of what a model was compiled with."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.tensorflow


def test_a_loss_is_named_however_it_was_given() -> None:
    import keras

    from gradscope.runner.objective.objective_facts import objective_info

    def own(y: object, p: object) -> object:
        return p

    losses = keras.losses
    mean = "sum_over_batch_size"
    cases = [
        ("mse", ("mean_squared_error", False, mean)),
        (losses.mean_squared_error, ("mean_squared_error", False, mean)),
        (
            losses.SparseCategoricalCrossentropy(from_logits=True, reduction="sum"),
            ("sparse_categorical_crossentropy", True, "sum"),
        ),
        (losses.BinaryCrossentropy(), ("binary_crossentropy", False, mean)),
        (own, ("", False, mean)),
        ([losses.Huber(), "mae"], ("", False, mean)),
    ]
    for given, expected in cases:
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile(optimizer=keras.optimizers.AdamW(epsilon=1e-5), loss=given)
        found = objective_info("compiled", model, model.optimizer)
        assert (found.loss, found.from_logits, found.reduction) == expected, given
        assert (found.optimizer, found.epsilon) == ("adamw", 1e-5)


def test_the_config_s_loss_is_a_mean_of_probabilities() -> None:
    import keras

    from gradscope.runner.objective.objective_facts import objective_info

    scaled = keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))
    found = objective_info("huber", None, scaled)
    assert (found.loss, found.from_logits, found.optimizer) == ("huber", False, "sgd")
    assert found.epsilon is None
