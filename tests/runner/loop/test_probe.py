"""Dead units over more samples than the first ones that are tried."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.runner.configs import small

pytestmark = pytest.mark.tensorflow


def test_a_unit_that_one_late_sample_activates_is_alive(runner_settings: Any) -> None:
    import tensorflow as tf

    from gradscope.runner.loop import probe
    from gradscope.runner.loop.training import Experiment
    from gradscope.runner.network import workload

    config = small({"activation": "relu", "hidden": [8, 5]}, {"probe_samples": 150})
    experiment = Experiment(config, workload.from_config(config))
    x = np.asarray(experiment.feed.probe(150)[0], np.float64)
    late = probe.FIRST_SAMPLES + int(np.argmax(np.sum(x[probe.FIRST_SAMPLES :] ** 2, axis=1)))
    kernel, bias = np.zeros((x.shape[1], 8)), np.full(8, -1.0)
    kernel[:, 3] = x[late]
    products = x @ x[late]
    others = np.delete(products, late).max()
    assert products[late] > others + 1.0
    bias[3] = -(products[late] + others) / 2
    layer = experiment.model.get_layer("hidden_1")
    layer.kernel.assign(kernel)
    layer.bias.assign(bias)
    result = probe.dead_fraction(
        experiment.model, experiment.sites, tf.constant(x, tf.float32), experiment._forward
    )
    row = next(site.index for site in experiment.sites.layers if site.name == "hidden_1")
    assert result[row] == 7 / 8
