"""What constraints make of initial weights, beside numpy; the model is left as it was."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def layer(constraint: Any, shape: tuple[int, int] = (6, 5)) -> tuple[Any, np.ndarray]:
    import keras

    keras.utils.set_random_seed(3)
    made = keras.layers.Dense(shape[1], kernel_constraint=constraint)
    made.build((None, shape[0]))
    return made, np.asarray(made.kernel).astype(np.float64)


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(values**2)))


def test_ratio_change_and_norm_are_numpy_s(tensorflow_once: Any) -> None:
    import keras

    from gradscope.runner.survey.weight_constraints import weight_constraint

    bounded, w = layer(keras.constraints.MaxNorm(0.25))
    norms = np.sqrt((w**2).sum(axis=0))
    expected = w * np.minimum(1.0, 0.25 / norms)
    fact = weight_constraint(bounded.kernel)
    assert fact is not None
    assert (fact.name, fact.parameters) == ("MaxNorm", {"max_value": 0.25, "axis": 0})
    assert fact.ratio == pytest.approx(rms(expected) / rms(w), rel=1e-5)
    assert fact.change == pytest.approx(rms(expected - w) / rms(w), rel=1e-5)
    assert fact.norm == pytest.approx(norms.max(), rel=1e-6)

    positive, w = layer(keras.constraints.NonNeg())
    fact = weight_constraint(positive.kernel)
    assert fact is not None
    assert fact.ratio == pytest.approx(rms(np.maximum(w, 0.0)) / rms(w), rel=1e-5)
    assert fact.norm is None

    free, _ = layer(None)
    assert weight_constraint(free.kernel) is None


def test_a_constraint_of_the_user_s_own_has_a_ratio(tensorflow_once: Any) -> None:
    import keras

    from gradscope.runner.survey.weight_constraints import weight_constraint

    class Halved(keras.constraints.Constraint):
        def __call__(self, w: Any) -> Any:
            return 0.5 * w

    made, _ = layer(Halved())
    fact = weight_constraint(made.kernel)
    assert fact is not None
    assert (fact.name, fact.ratio, fact.parameters) == ("Halved", pytest.approx(0.5), {})


def test_the_weights_come_back_to_the_bit(tensorflow_once: Any) -> None:
    import keras

    from gradscope.runner.survey.weight_constraints import constrained_weights

    model = keras.Sequential(
        [
            keras.Input((6,)),
            keras.layers.Dense(5, kernel_constraint=keras.constraints.MaxNorm(0.1)),
            keras.layers.Dense(2),
        ]
    )
    before = [np.array(weight) for weight in model.get_weights()]

    def fail() -> None:
        with constrained_weights(model) as any_constraint:
            assert any_constraint
            assert np.linalg.norm(model.layers[0].kernel, axis=0).max() < 0.1001
            raise RuntimeError("stopped")

    with pytest.raises(RuntimeError):
        fail()
    for kept, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)
    with constrained_weights(keras.Sequential([keras.Input((6,)), keras.layers.Dense(5)])) as some:
        assert not some
