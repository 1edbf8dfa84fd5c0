"""Living units that are counted in one stack for each kind of layer, against NumPy."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytestmark = pytest.mark.tensorflow


def test_living_units_are_those_with_a_derivative_for_some_sample(tensorflow_once: Any) -> None:
    import tensorflow as tf

    from gradscope.catalog.activations import ACTIVATIONS
    from gradscope.runner.step.pass_counts import PassCounts, count_living

    def site(name: str | None) -> Any:
        activation = None if name is None else ACTIVATIONS[name]
        return SimpleNamespace(
            activation=activation, parameters=(), unit_axes=(), trained_parameter=None
        )

    random = np.random.default_rng(3)
    names = ["relu", "tanh", None, "relu", "sigmoid", "relu", "relu"]
    shapes = [(5, 4), (5, 4), (5, 3), (5, 4), (5, 6), (5, 2, 3), (5, 4)]
    z = [random.normal(size=shape).astype(np.float32) for shape in shapes]
    z[0][:, 2] = -1.0
    z[3][:, :2] = 0.0
    z[5][..., 1] = -np.abs(z[5][..., 1])
    z[6][:, :] = -2.0
    z[6][4, 3] = 1e-30
    z[1][:, 0] = 400.0  # 1 / cosh(400)^2 is 1e-347: nothing in float64 too
    z[4][:, 5] = -110.0  # the sigmoid's derivative is 1e-48: nothing in float32, not in float64

    traced = tf.function(lambda *tensors: count_living([site(name) for name in names], tensors))
    counts = PassCounts.from_tensors(traced(*map(tf.constant, z)))

    relus = [np.any(z[at] > 0, tuple(range(z[at].ndim - 1))) for at in (0, 3, 5, 6)]
    expected = [relus[0], [False, True, True, True], relus[1], [True] * 6, relus[2], relus[3]]
    np.testing.assert_array_equal(counts.alive, np.concatenate(expected))
    np.testing.assert_array_equal(counts.units, [4, 4, 4, 6, 3, 4])
    assert counts.alive[-4:].tolist() == [False, False, False, True]
