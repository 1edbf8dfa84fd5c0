"""Data and models of a run: built-in ones, Keras's data sets, and those of the user.

Importing this package never imports TensorFlow; calling into it may.
"""

from __future__ import annotations

from gradscope.config.experiment import ExperimentConfig
from gradscope.config.sections.data import USER_DATA
from gradscope.datasets import loading
from gradscope.datasets.samples import Samples
from gradscope.runner.sources.keras_data import KERAS_DATASETS


def samples(config: ExperimentConfig) -> Samples:
    """Load, check and scale the data that ``data:`` names, for the built-in network.

    Raises `BadRequest` when it cannot be trained on.
    """
    data, batch_size = config.data, config.training.batch_size
    if data.name in KERAS_DATASETS:
        return loading.prepare(KERAS_DATASETS[data.name](), data.scaling, batch_size)
    if data.name == USER_DATA:
        from gradscope.runner.sources import batches, factory

        user_samples = batches.as_samples(factory.data_from(data.parameters))
        return loading.prepare(user_samples, data.scaling, batch_size)
    return loading.load(data.name, data.parameters, data.scaling, batch_size)
