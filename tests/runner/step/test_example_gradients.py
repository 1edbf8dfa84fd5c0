"""Gradients of single samples against passes of the float64 oracle over one sample each."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record import STATISTICS
from tests.oracle import numpy_network as oracle
from tests.runner.configs import small
from tests.runner.step.test_statistics_against_oracle import _one_step, _perturb, _twin, _weighted

pytestmark = pytest.mark.tensorflow
NAMES = list(STATISTICS)


def _experiment(model: dict[str, Any], noise: bool) -> Any:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small(model, {"gradient_noise": noise}, seed=5)
    return Experiment(config, workload.from_config(config))


def test_the_noise_is_that_of_single_samples(runner_settings: Any) -> None:
    experiment = _experiment({"hidden": [9, 7], "activation": "tanh"}, noise=True)
    _perturb(experiment, seed=6)
    twin = _twin(experiment)
    measured, x, y, _ = _one_step(experiment)
    ones = [oracle.run(twin, x[i : i + 1], y[i : i + 1]) for i in range(len(x))]
    for place, info in enumerate(_weighted(experiment)):
        gradients = np.array([one.layers[place].kernel_gradient.reshape(-1) for one in ones])
        square = np.mean(np.sum(gradients**2, axis=1))
        # The textbook's estimates, by numpy's own unbiased covariance.
        trace = np.sum(np.var(gradients, axis=0, ddof=1))
        signal = np.sum(gradients.mean(axis=0) ** 2) - trace / len(x)
        found = measured[NAMES.index("example_gradient_square"), info.index]
        assert found == pytest.approx(square, rel=1e-5), info.name
        scale = measured[NAMES.index("gradient_noise_scale"), info.index]
        assert scale == pytest.approx(
            trace / signal if signal > 0 else np.nan, rel=1e-4, nan_ok=True
        )
    assert np.isfinite(measured[NAMES.index("gradient_noise_scale")]).any()


def test_noise_is_measured_only_when_asked_for(runner_settings: Any) -> None:
    measured, *_ = _one_step(_experiment({"hidden": [9, 7]}, noise=False))
    for name in ("example_gradient_square", "gradient_noise_scale"):
        assert np.isnan(measured[NAMES.index(name)]).all()
