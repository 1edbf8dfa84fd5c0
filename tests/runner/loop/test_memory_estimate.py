"""A pass that cannot fit is refused before it is taken."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gradscope.errors import BadRequest

pytestmark = pytest.mark.tensorflow


def test_a_batch_that_does_not_fit_is_refused_with_one_that_does(runner_settings: Any) -> None:
    import keras

    from gradscope.runner.loop import memory_estimate
    from gradscope.runner.step import measured_step

    layers = keras.layers
    given = keras.Input((8, 8, 3))
    x = layers.Conv2D(4, 3, padding="same", activation="relu")(given)
    model = keras.Model(given, layers.Dense(2)(layers.GlobalAveragePooling2D()(x)))
    sites = measured_step.survey_model(model, np.zeros((5, 8, 8, 3), np.float32))
    # The convolution, its mean and the output: 256 + 4 + 2 values a sample, z and delta of each.
    of_a_sample = 2 * 4 * (8 * 8 * 4 + 4 + 2)
    assert memory_estimate.pass_bytes(sites, 5) == 5 * of_a_sample
    memory_estimate.refuse_too_large(sites, 5, 5 * of_a_sample)
    with pytest.raises(BadRequest) as refused:
        memory_estimate.refuse_too_large(sites, 5, 5 * of_a_sample - 1)
    assert "10.5 kB of memory" in str(refused.value)
    assert refused.value.remedy == "use batches of at most 4"
