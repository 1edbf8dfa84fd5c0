"""The variance of kernels far from zero, of several matrices, and batch norms without a scale."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runner.measuring import inputs, step, targets

pytestmark = pytest.mark.tensorflow


def _model() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(4)
    x = keras.Input((5, 6))
    y = layers.LSTM(7, name="lstm")(x)
    y = layers.Dense(8, name="far")(y)
    y = layers.BatchNormalization(scale=False, name="shifted")(y)
    y = layers.Dense(8, name="equal", kernel_initializer="ones")(y)
    y = layers.BatchNormalization(center=False, name="scaled")(y)
    y = layers.BatchNormalization(name="both")(y)
    model = keras.Model(x, layers.Dense(2, name="end")(y))
    random = np.random.default_rng(0)
    far = model.get_layer("far").kernel
    far.assign(random.normal(5.0, 0.01, far.shape))
    for name, variable in (("scaled", "gamma"), ("both", "gamma"), ("both", "beta")):
        chosen = getattr(model.get_layer(name), variable)
        chosen.assign(random.normal(0.7, 0.3, chosen.shape))
    return model


def _wide(variable: Any) -> np.ndarray:
    return np.asarray(variable, np.float64)


@pytest.mark.parametrize(
    "jit", [False, pytest.param(True, marks=pytest.mark.long("10 s"))], ids=["graph", "xla"]
)
def test_variances_and_norms_before_the_update(jit: bool, runner_settings: Any) -> None:
    model, x = _model(), inputs(5, 6)
    cell = model.get_layer("lstm").cell
    matrices = [_wide(cell.kernel), _wide(cell.recurrent_kernel)]
    wanted = {
        "lstm": sum(m.size * m.var() for m in matrices) / sum(m.size for m in matrices),
        "far": _wide(model.get_layer("far").kernel).var(),
        "equal": 0.0,
        "end": _wide(model.get_layer("end").kernel).var(),
    }
    norms = {
        name: (
            layer.gamma is not None and _wide(layer.gamma),
            layer.beta is not None and _wide(layer.beta),
        )
        for name in ("shifted", "scaled", "both")
        if (layer := model.get_layer(name))
    }
    measured = step(model, x, targets(model, x), jit=jit)
    for name, value in wanted.items():
        found = measured.figures[name]["weight_variance"]
        assert found == pytest.approx(value, rel=1e-5, abs=1e-30), name
    for name, (gamma, beta) in norms.items():
        figures = measured.figures[name]
        nan = np.nan
        assert figures["batch_norm_gamma_mean"] == pytest.approx(
            nan if gamma is False else gamma.mean(), rel=1e-12, nan_ok=True
        )
        assert figures["batch_norm_gamma_second_moment"] == pytest.approx(
            nan if gamma is False else np.mean(gamma**2), rel=1e-12, nan_ok=True
        )
        assert figures["batch_norm_beta_second_moment"] == pytest.approx(
            nan if beta is False else np.mean(beta**2), rel=1e-12, abs=1e-30, nan_ok=True
        )
