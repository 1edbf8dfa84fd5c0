"""Counts of powers of two against numpy's own decomposition of the oracle's float64 values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.record.builder import RecordBuilder
from tests.oracle import numpy_network as oracle
from tests.runner.configs import small
from tests.runner.step.test_statistics_against_oracle import _twin, _weighted

pytestmark = pytest.mark.tensorflow
MODEL = {"hidden": [40, 30], "activation": "relu"}


def _experiment(**training: Any) -> Any:
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small(MODEL, training, seed=5)
    return Experiment(config, workload.from_config(config))


def _record(experiment: Any) -> Any:
    builder = RecordBuilder()
    builder.begin(experiment.beginning())
    experiment.train(builder)
    return builder.build("complete", "", 0.0)


def _counted(values: np.ndarray) -> dict[int, int]:
    """How many values have 2^e <= |x| < 2^(e + 1), by e."""
    found = values[values != 0]
    exponents, counts = np.unique(np.frexp(np.abs(found))[1] - 1, return_counts=True)
    return dict(zip(exponents.tolist(), counts.tolist(), strict=True))


@pytest.mark.parametrize("jit", ["off", pytest.param("on", marks=pytest.mark.long("XLA, 10 s"))])
def test_the_counts_are_those_of_the_values(jit: str, runner_settings: Any) -> None:
    experiment = _experiment(steps=1, histogram_every=1, jit=jit)
    twin = _twin(experiment)
    x, y, _ = next(experiment.feed.iterate())
    passed = oracle.run(twin, np.asarray(x, np.float64), y)
    record = _record(experiment)
    for place, info in enumerate(_weighted(experiment)):
        layer = passed.layers[place]
        for name, values in (
            ("log2_abs_delta", layer.delta),
            ("log2_abs_kernel_gradient", layer.kernel_gradient),
        ):
            histogram = record.histograms[name]
            bins = histogram.counts[0, info.index]
            wanted = np.zeros_like(bins)
            for exponent, number in _counted(values).items():
                wanted[exponent + 126] = number
            # Rounding moves a value over a power of two now and then.
            assert np.abs(bins - wanted).sum() <= 2 + 1e-4 * values.size, (info.name, name)
            assert bins.sum() + histogram.outside[0, info.index] == values.size
            assert histogram.outside[0, info.index] == np.count_nonzero(values == 0)


def test_every_second_step_is_counted_and_nothing_else_changes(runner_settings: Any) -> None:
    counted = _record(_experiment(steps=7, histogram_every=2))
    plain = _record(_experiment(steps=7))
    assert counted.histograms["log2_abs_delta"].steps.tolist() == [1, 2, 4, 6]
    assert "log2_abs_delta" not in plain.histograms
    for name, values in plain.series.items():
        np.testing.assert_array_equal(values, counted.series[name], err_msg=name)
