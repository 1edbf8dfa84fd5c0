"""The data a run is fed, from gradscope's data sets or from Keras's."""

from __future__ import annotations

from gradscope.config.experiment import ExperimentConfig
from gradscope.datasets import loading
from gradscope.datasets.samples import Samples
from gradscope.runner.keras_data import KERAS_DATASETS


def samples(config: ExperimentConfig) -> Samples:
    """Load, check and scale what ``data:`` names; raises `BadRequest` when it cannot be trained on."""
    data, batch_size = config.data, config.training.batch_size
    if data.name in KERAS_DATASETS:
        return loading.prepare(KERAS_DATASETS[data.name](), data.scaling, batch_size)
    return loading.load(data.name, data.parameters, data.scaling, batch_size)
