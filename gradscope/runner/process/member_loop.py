"""Many configs in one process: each measured as `gradscope run` does, what they share made once."""

from __future__ import annotations

import gc
import json
from collections import OrderedDict
from dataclasses import asdict

from gradscope.config.experiment import ExperimentConfig
from gradscope.datasets.samples import Samples
from gradscope.record import RunRecord
from gradscope.runner import sources
from gradscope.runner.loop import reuse
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network import workload
from gradscope.runner.network.graph_key import graph_key
from gradscope.runner.process import in_process
from gradscope.runner.runtime.preserved_state import preserved_global_state

MOST_NETWORKS = 2
"""Traced networks that are kept: members of one graph come one after another, so more of them would
be memory without a use."""

MOST_DATA = 2
"""Data sets that are kept, for the same reason."""


class MemberLoop:
    """Measures one config after another.

    Configs that differ in seed, initializers or learning rate share a network, which is built and
    traced once. Call `measure` within `device.settings()`, after `device.set_threads`.
    """

    def __init__(self, *, trust: bool = False) -> None:
        self._trust = trust
        self._experiments: OrderedDict[str, Experiment] = OrderedDict()
        self._samples: OrderedDict[str, Samples] = OrderedDict()
        self._described: OrderedDict[str, workload.Described] = OrderedDict()

    def measure(self, config: ExperimentConfig, *, at_init: bool = False) -> RunRecord:
        """The record of one config: trained, or its first step alone with `at_init`."""
        if config.model.source is not None:
            with preserved_global_state():
                built = workload.from_config(config, trust=self._trust)
                experiment = Experiment(config, built)
                return in_process.run_experiment(experiment, whole=not at_init)
        return in_process.run_experiment(self._experiment(config), whole=not at_init)

    def _experiment(self, config: ExperimentConfig) -> Experiment:
        """The network of `config`, with the weights of its seed."""
        key = graph_key(config)
        experiment = self._experiments.get(key)
        if experiment is not None:
            self._experiments.move_to_end(key)
            reuse.take_over(experiment, config)
            return experiment
        self._make_room()
        samples, described = self._data(config)
        experiment = Experiment(config, workload.from_samples(config, samples, described))
        self._experiments[key] = experiment
        return experiment

    def _make_room(self) -> None:
        while len(self._experiments) >= MOST_NETWORKS:
            self._experiments.popitem(last=False)
            gc.collect()  # a model and its graphs refer to each other

    def _data(self, config: ExperimentConfig) -> tuple[Samples, workload.Described]:
        """The data of `config`, read once for all that name the same."""
        norm, data = config.model.batch_norm, asdict(config.data)
        key = json.dumps([data, config.training.batch_size], sort_keys=True, default=str)
        if key not in self._samples:
            while len(self._samples) >= MOST_DATA:
                self._samples.popitem(last=False)
            self._samples[key] = sources.samples(config)
        scale = norm.epsilon if norm.input else None
        full = json.dumps([key, scale])
        if full not in self._described:
            while len(self._described) >= 2 * MOST_DATA:
                self._described.popitem(last=False)
            self._described[full] = workload.describe(config, self._samples[key])
        return self._samples[key], self._described[full]
