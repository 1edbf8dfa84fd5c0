"""One config from several seeds: built and traced once where that is possible."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from gradscope.config.experiment import ExperimentConfig
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network import workload
from gradscope.runner.runtime.seeds import Seeds


def experiment_of(config: ExperimentConfig, work: workload.Workload) -> Experiment:
    """The training loop of a workload: gradscope's own, or that of a model that trains itself."""
    if work.own_step is None:
        return Experiment(config, work)
    from gradscope.runner.loop.own_training import OwnExperiment

    return OwnExperiment(config, work)


def experiments(config: ExperimentConfig, seeds: Seeds, *, trust: bool) -> Iterator[Experiment]:
    """Yield the experiment once per seed, with that seed's weights; train it before the next.

    The built-in network is built and traced once and its weights are drawn again in place, bit for
    bit those of a network built from that seed. A model of the user is built again for each seed.
    """
    experiment: Experiment | None = None
    for seed in (*seeds.trained, *seeds.initial):
        if experiment is None or experiment.workload.draw_weights is None:
            seeded = replace(config, seed=seed)
            experiment = experiment_of(seeded, workload.from_config(seeded, trust=trust))
        else:
            experiment.reset(seed)
        if seed != (*seeds.trained, *seeds.initial)[0]:
            experiment.draws = 0  # all seeds have one law
        yield experiment
