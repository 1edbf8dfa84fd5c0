"""The update of a kernel against the weights before and after the step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from tests.runner.measuring import inputs, sequential, step, stirred, targets

pytestmark = pytest.mark.tensorflow


def _model(**dense: Any) -> Any:
    build = sequential(lambda layers: layers.Dense(7, name="first", **dense), shape=(5,))
    return stirred(build())


def _ratio(before: Any, after: Any) -> float:
    before, after = (np.asarray(kernel, np.float64) for kernel in (before, after))
    return float(np.sqrt(np.mean((after - before) ** 2) / np.mean(before**2)))


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "plain": lambda o: o.SGD(0.25),
    "momentum": lambda o: o.SGD(0.25, momentum=0.9),
    "weight decay": lambda o: o.SGD(0.25, weight_decay=0.5),
    "decoupled weight decay": lambda o: o.AdamW(0.01, weight_decay=0.5),
    "adam": lambda o: o.Adam(0.01),
    "lion": lambda o: o.Lion(0.01),
    "a change of some units in the last place": lambda o: o.SGD(3e-7),
    "a change below most last places": lambda o: o.SGD(2e-8),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_update_is_the_difference_of_the_weights(name: str, runner_settings: Any) -> None:
    import keras

    model, x = _model(), inputs(5)
    before = model.get_layer("first").kernel.numpy()
    measured = step(model, x, targets(model, x), optimizer=OPTIMIZERS[name](keras.optimizers))
    wanted = _ratio(before, model.get_layer("first").kernel.numpy())
    assert wanted > 0
    # A change that is not rounded away is measured as the optimizer computed it.
    assert measured.figures["first"]["update_ratio"] == pytest.approx(wanted, rel=1e-5)


def test_a_constraint_is_part_of_the_update(runner_settings: Any) -> None:
    import keras

    model, x = _model(kernel_constraint=keras.constraints.UnitNorm()), inputs(5)
    before = model.get_layer("first").kernel.numpy()
    measured = step(model, x, targets(model, x), optimizer=keras.optimizers.SGD(0.25))
    wanted = _ratio(before, model.get_layer("first").kernel.numpy())
    assert measured.figures["first"]["update_ratio"] == pytest.approx(wanted, rel=1e-5)


def test_an_update_that_overflows_is_counted(runner_settings: Any) -> None:
    """The gradients are finite; times the learning rate some of them are not."""
    import keras

    model, x = _model(), inputs(5)
    y = targets(model, x)
    measured = step(model, x, y, factor=100.0, optimizer=keras.optimizers.SGD(1e37))
    infinite = np.sum(~np.isfinite(model.get_layer("first").kernel.numpy()))
    assert infinite > 0
    assert measured.figures["first"]["nonfinite_count"] == infinite
    assert measured.figures["first"]["nonfinite_backward_count"] == 0


def test_a_preactivation_with_another_use_loses_no_delta(runner_settings: Any) -> None:
    """Where ReLU passes no gradient, one arrives by the other path."""
    import keras

    layers = keras.layers
    given = keras.Input((5,))
    z = layers.Dense(6, name="first")(given)
    both = layers.Add()([layers.ReLU(name="act")(z), z])
    model = stirred(keras.Model(given, layers.Dense(2, name="head")(both)))
    x = inputs(5)
    measured = step(model, x, targets(model, x))
    assert measured.figures["first"]["underflow_fraction"] == 0


def test_a_change_near_a_power_of_two_is_rounded_in_its_own_direction(runner_settings: Any) -> None:
    """1 - 4e-8 is a float32 below 1; 1 + 4e-8 would be 1."""
    import keras
    import tensorflow as tf

    given = keras.Input((5,))
    model = keras.Model(given, keras.layers.Dense(2, use_bias=False, name="first")(given))
    kernel = model.get_layer("first").kernel
    kernel.assign(np.ones((5, 2)))
    x = np.ones((3, 5), np.float32)
    measured = step(
        model,
        x,
        np.zeros((3, 2), np.float32),
        loss=lambda y, outputs: tf.reduce_sum(outputs) / 3.0,
        optimizer=keras.optimizers.SGD(4e-8),
    )
    np.testing.assert_array_equal(kernel.numpy(), np.full((5, 2), 1 - 2.0**-24, np.float32))
    assert measured.figures["first"]["update_ratio"] == pytest.approx(2.0**-24, rel=1e-6)
