"""Predict signal and gradient of a config's network at initialisation, from theory alone."""

from __future__ import annotations

import math
from dataclasses import replace

from gradscope.analyzer.theory.drawn_expectation import drawn_prediction
from gradscope.config.experiment import ExperimentConfig
from gradscope.config.loading import ConfigSource
from gradscope.config.sections.data import USER_DATA
from gradscope.config.sections.training import DEFAULT_DRAWS
from gradscope.config.size_estimate import check_size
from gradscope.datasets import loading
from gradscope.errors import BadRequest
from gradscope.record.sample_geometry import SampleGeometry, sample_geometry
from gradscope.reporters.run.expected_start import graph_sentences
from gradscope.runner.runtime.seeds import Seeds
from gradscope.runner.sources.keras_data import KERAS_DATASETS
from gradscope.theory.built_in_layers import built_in_layers
from gradscope.theory.forecast import Forecast, Task, forecast, no_forecast
from gradscope.workflows.measuring.engine import Engine, Measurement
from gradscope.workflows.measuring.inputs import config_for


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


def predict_by_draws(
    config: ExperimentConfig, engine: Engine, *, draws: int = DEFAULT_DRAWS, seeds: int = 1
) -> Forecast:
    """What the config's network should show at initialisation, from draws of its weights.

    The network is built by `engine` and not trained: this needs TensorFlow. Raises `BadRequest`
    where none of its weights can be drawn again.
    """
    training = replace(config.training, draws=draws)
    wanted = Measurement(replace(config, training=training), Seeds((), (config.seed,)))
    record = next(iter(engine.measure(wanted)))
    prediction = drawn_prediction(record)
    if prediction is None:
        crashed = [f"{fault.computation}: {fault.crashed}" for fault in record.faults]
        raise BadRequest(
            f"{config.name}: the weights cannot be drawn again"
            + (f" ({crashed[0]})" if crashed else ""),
            "draws need layers that make their weights by add_weight, and a model that `gradscope "
            "run` can measure; build the model in a factory instead of handing it over built",
        )
    return Forecast(
        record.name,
        tuple(layer for layer in record.layers if layer.name in prediction.names),
        record.data.geometry or SampleGeometry(record.data.second_moment),
        record.batch_size,
        record.probe_samples,
        seeds,
        prediction,
        notes=tuple(graph_sentences(record)),
    )


def unknown_before_built(config: ExperimentConfig) -> str:
    """Why theory cannot speak of a config before its network is built; "" where it can."""
    if config.model.source is not None:
        return (
            "the model is your own, so its layers are known only once it is built: --draws "
            f"{DEFAULT_DRAWS} builds it, with TensorFlow, and draws its weights again"
        )
    if config.data.name == USER_DATA:
        return "the data is your own, and only `gradscope run` calls the function that gives it"
    if config.data.name in KERAS_DATASETS:
        return f"{config.data.name} is read through Keras, which is not started for a prediction"
    return ""
