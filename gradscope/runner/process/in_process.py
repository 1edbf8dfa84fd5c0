"""Measuring in the process of the caller, who pays for TensorFlow and may bring a model as object.

The command line measures in a worker instead (`supervisor`), where nothing of the caller's is in
the way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import keras

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest
from gradscope.record import RunRecord
from gradscope.record.builder import RecordBuilder
from gradscope.runner import sources
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network import workload
from gradscope.runner.process import seed_loop
from gradscope.runner.runtime import device
from gradscope.runner.runtime.preserved_state import globals_kept, variables_kept
from gradscope.runner.runtime.seeds import Seeds
from gradscope.runner.sources import factory
from gradscope.runner.sources.user_code import blamed

NewBuilder = Callable[[], RecordBuilder]
"""Makes the builder that collects one run; one of the caller's can watch the run."""


def records(
    config: ExperimentConfig,
    seeds: Seeds,
    *,
    trust: bool,
    new_builder: NewBuilder = RecordBuilder,
) -> Iterator[RunRecord]:
    """Measure what `config` describes; one record per seed."""
    device.set_threads(config.threads)
    with device.settings():
        for experiment in seed_loop.experiments(config, seeds, trust=trust):
            whole = experiment.config.seed in seeds.trained
            yield record_of(experiment, whole=whole, new_builder=new_builder)


def train(
    config: ExperimentConfig, model: Any, data: Any, *, new_builder: NewBuilder = RecordBuilder
) -> RunRecord:
    """Train and measure a model given as an object; `data` None is what the config names."""
    device.set_threads(config.threads)
    with device.settings(keep_policy=True):
        return record_of(_experiment(config, model, data), new_builder=new_builder)


def look_at(
    config: ExperimentConfig,
    model: Any,
    data: Any,
    seeds: Seeds,
    *,
    new_builder: NewBuilder = RecordBuilder,
) -> Iterator[RunRecord]:
    """Measure a model given as an object, or one per seed of a function that builds it.

    The function is called with Keras seeded by each of `seeds`; its layers that have no name of
    their own are called as in a process that builds this model alone, so that a baseline finds them
    again. An object has the weights that it has, whatever the seed, and is left as it was: weights,
    optimizer, generators. Keras's, Python's and numpy's global state is put back after each;
    TensorFlow's global seed is not.
    """
    device.set_threads(config.threads)
    for seed in (*seeds.trained, *seeds.initial):
        seeded, whole = replace(config, seed=seed), seed in seeds.trained
        with globals_kept(), device.settings(keep_policy=True):
            experiment = _experiment(seeded, _model_of(model, seed), data)
            with variables_kept([*experiment.model.variables, *experiment.optimizer.variables]):
                record = record_of(experiment, whole=whole, new_builder=new_builder)
        yield record


def is_object(model: Any) -> bool:
    """Tell a model from a function that builds one: a model can be called as well."""
    return model is not None and (isinstance(model, keras.Model) or not callable(model))


def record_of(
    experiment: Experiment, *, whole: bool = True, new_builder: NewBuilder = RecordBuilder
) -> RunRecord:
    """The record of one experiment: trained, or its first step alone."""
    started = time.monotonic()
    builder = new_builder()
    builder.begin(experiment.beginning())
    end = experiment.train(builder) if whole else experiment.first_step(builder)
    builder.evaluation = end.evaluation
    record = builder.build(end.status, end.sentence, time.monotonic() - started)
    assert record is not None
    return record


def _experiment(config: ExperimentConfig, model: Any, data: Any) -> Experiment:
    given = sources.samples(config) if data is None else data
    return Experiment(config, workload.of_model(config, model, given))


def _model_of(model: Any, seed: int) -> Any:
    """The model itself, or what the function builds from `seed`."""
    if is_object(model):
        return model
    keras.utils.set_random_seed(seed)
    name = getattr(model, "__qualname__", type(model).__qualname__)
    with blamed("model", name):
        built = model()
    if not isinstance(built, keras.Model):
        raise BadRequest(
            f"model: {name} must return a Keras model, it returned {factory.describe(built)}",
            "give a model, or a function without parameters that builds one",
        )
    return built
