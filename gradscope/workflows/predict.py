"""Predict signal and gradient of a config's network at initialisation, from theory alone."""

from __future__ import annotations

import math

from gradscope.config.experiment import ExperimentConfig
from gradscope.config.loading import ConfigSource
from gradscope.config.sections.data import USER_DATA
from gradscope.config.size_estimate import check_size
from gradscope.datasets import loading
from gradscope.record.sample_geometry import sample_geometry
from gradscope.runner.sources.keras_data import KERAS_DATASETS
from gradscope.theory.built_in_layers import built_in_layers
from gradscope.theory.forecast import Forecast, Task, forecast, no_forecast
from gradscope.workflows.inputs import config_for


def predict(config: ExperimentConfig | ConfigSource, *, seeds: int = 1) -> Forecast:
    """What theory expects of the config's network at initialisation; TensorFlow is not needed.

    The data is read, since its second moment and geometry are part of the answer. `seeds` is how
    many seeds a band of means is for.
    """
    experiment = config_for(config)
    data, training = experiment.data, experiment.training
    reason = unknown_before_built(experiment)
    if reason:
        return no_forecast(experiment.name, reason, training.batch_size, training.probe_samples)
    samples = loading.load(data.name, data.parameters, data.scaling, training.batch_size)
    targets = 1 if samples.y.ndim == 1 else samples.y.shape[1]
    shape, classes = samples.x.shape[1:], samples.classes
    layers = built_in_layers(experiment, shape, samples.task, classes, targets)
    check_size(experiment, features=math.prod(shape), outputs=classes or targets)
    norm = experiment.model.batch_norm
    return forecast(
        experiment.name,
        layers,
        sample_geometry(
            samples.x,
            samples.y,
            classes=classes,
            batch_size=training.batch_size,
            batch_norm_epsilon=norm.epsilon if norm.input else None,
        ),
        Task.from_data(training.loss, layers[-1].activation, samples.y, classes),
        batch_norm_epsilon=norm.epsilon,
        batch_size=min(training.batch_size, len(samples.x)),
        probe_samples=min(training.probe_samples, len(samples.x)),
        seeds=seeds,
    )


def unknown_before_built(config: ExperimentConfig) -> str:
    """Why theory cannot speak of a config before its network is built; "" where it can."""
    if config.model.source is not None:
        return "the model is your own, so its layers are known only once `gradscope run` builds it"
    if config.data.name == USER_DATA:
        return "the data is your own, and only `gradscope run` calls the function that gives it"
    if config.data.name in KERAS_DATASETS:
        return f"{config.data.name} is read through Keras, which is not started for a prediction"
    return ""
