"""One config from several seeds: built and traced once where that is possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradscope.config.experiment import ExperimentConfig
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network import workload
from gradscope.runner.runtime.seeds import Seeds


def experiments(config: ExperimentConfig, seeds: Seeds, *, trust: bool) -> Iterator[Experiment]:
    """Give the experiment once per seed, with that seed's weights, to be trained before the next.

    gradscope's own network is built and traced once and its weights drawn again in place, bit for
    bit those of a network built from that seed. A model of the user's is built again for each.
    """
    experiment: Experiment | None = None
    for seed in (*seeds.trained, *seeds.initial):
        if experiment is None or experiment.workload.redraw is None:
            seeded = replace(config, seed=seed)
            experiment = Experiment(seeded, workload.from_config(seeded, trust=trust))
        else:
            experiment.reset(seed)
        yield experiment
