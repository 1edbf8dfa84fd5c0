"""Measure in the process of the caller, which imports TensorFlow; a model may be an object.

The command line measures in a worker instead (`supervisor`), where no setting of the caller's
process changes a figure.
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
from gradscope.runner.draws.weight_laws import recorded_laws
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network import workload
from gradscope.runner.process import seed_loop
from gradscope.runner.runtime import device
from gradscope.runner.runtime.custom_gradients import freed_with_their_graphs
from gradscope.runner.runtime.preserved_state import preserved_global_state, preserved_variables
from gradscope.runner.runtime.seeds import Seeds
from gradscope.runner.sources import factory
from gradscope.runner.sources.user_code import attributed_to_user

NewBuilder = Callable[[], RecordBuilder]
"""Makes the builder that collects one run; the caller's own builder can watch the run."""


def measure_seeds(
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
            yield run_experiment(experiment, whole=whole, new_builder=new_builder)


def train_model(
    config: ExperimentConfig, model: Any, data: Any, *, new_builder: NewBuilder = RecordBuilder
) -> RunRecord:
    """Train and measure a model object, or what a function builds from the config's seed.

    `data` None means the data that the config names.
    """
    device.set_threads(config.threads)
    with device.settings(keep_policy=True):
        return run_experiment(_experiment(config, model, data), new_builder=new_builder)


def measure_model(
    config: ExperimentConfig,
    model: Any,
    data: Any,
    seeds: Seeds,
    *,
    new_builder: NewBuilder = RecordBuilder,
) -> Iterator[RunRecord]:
    """Measure a model object, or the models that a function builds, one per seed.

    The function is called with Keras seeded by each of `seeds`. Layers without a name get the names
    that they have in a process that builds this model alone, so that a baseline finds them again.
    An object keeps its weights for every seed, and its weights, optimizer and generators are
    restored. Keras's, Python's and numpy's global state is restored after each seed; TensorFlow's
    global seed is not.
    """
    device.set_threads(config.threads)
    for seed in (*seeds.trained, *seeds.initial):
        seeded, whole = replace(config, seed=seed), seed in seeds.trained
        with preserved_global_state(), device.settings(keep_policy=True):
            experiment = _experiment(seeded, model, data)
            if seed != (*seeds.trained, *seeds.initial)[0]:
                experiment.draws = 0  # all seeds have one law
            with preserved_variables(
                [*experiment.model.variables, *experiment.optimizer.variables]
            ):
                record = run_experiment(experiment, whole=whole, new_builder=new_builder)
        yield record


def is_model_object(model: Any) -> bool:
    """Whether this is a model, not a function that builds one; a model can be called as well."""
    return model is not None and (isinstance(model, keras.Model) or not callable(model))


def run_experiment(
    experiment: Experiment, *, whole: bool = True, new_builder: NewBuilder = RecordBuilder
) -> RunRecord:
    """The record of one experiment: trained, or its first step alone."""
    started = time.monotonic()
    builder = new_builder()
    builder.begin(experiment.beginning())
    with freed_with_their_graphs():
        end = experiment.train(builder) if whole else experiment.first_step(builder)
    builder.evaluation, builder.nonfinite_origin = end.evaluation, end.origin
    builder.faults = end.faults
    record = builder.build(end.status, end.sentence, time.monotonic() - started)
    assert record is not None
    return record


def _experiment(config: ExperimentConfig, model: Any, data: Any) -> Experiment:
    data = sources.samples(config) if data is None else data
    with recorded_laws() as laws:
        made = _built_model(model, config.seed)
        work = workload.from_model(config, made, data)
    known = tuple(laws.of_weights(made.weights))
    # Of a model that was built before, only what its first call makes is recorded.
    whole = known and (not is_model_object(model) or len(known) == len(made.weights))
    return seed_loop.experiment_of(config, replace(work, laws=known if whole else None))


def _built_model(model: Any, seed: int) -> Any:
    """The model itself, or what the function builds from `seed`."""
    if is_model_object(model):
        return model
    keras.utils.set_random_seed(seed)
    name = getattr(model, "__qualname__", type(model).__qualname__)
    with attributed_to_user("model", name):
        built = model()
    if not isinstance(built, keras.Model):
        raise BadRequest(
            f"model: {name} must return a Keras model, it returned {factory.describe(built)}",
            "give a model, or a function without parameters that builds one",
        )
    return built
