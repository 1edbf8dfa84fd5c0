"""Which seeds a baseline or a check measures."""

from __future__ import annotations

from gradscope.config.experiment import ExperimentConfig
from gradscope.errors import BadRequest
from gradscope.gate.baselines.seed_statistics import SeedStatistics
from gradscope.gate.comparing import unpaired
from gradscope.gate.comparing.seeds_needed import seeds_needed
from gradscope.record import LayerInfo, Normalization, Role
from gradscope.runner.runtime.seeds import Seeds

MIN_SEEDS, MAX_SEEDS = 5, 100
"""Seeds of a baseline at initialisation. They cost some 50 ms each; of the built-in network a
hundred are enough from three layers of 64 units on."""

TRAINED_SEEDS = 5
"""Trained seeds of a baseline; more where five do not show a change of x2 over the depth."""

MAX_TRAINED_SEEDS = 20

USER_MODEL_SEEDS = 3
"""Seeds of a user's model, which is built and traced again for each; more where training needs
them, as above."""

SEEDS_WITHOUT_BASELINE = 8
"""Seeds at initialisation that are compared with theory's bands."""


def for_baseline(
    config: ExperimentConfig, *, at_init: bool, seeds: int | None, trained: int | None
) -> Seeds:
    """The seeds of a baseline: as requested, or as many as a comparison of other draws needs."""
    user_model = config.model.source is not None
    total = seeds or (
        USER_MODEL_SEEDS
        if user_model
        else min(MAX_SEEDS, max(MIN_SEEDS, seeds_for_comparison(config)))
    )
    usual = min(USER_MODEL_SEEDS if user_model else TRAINED_SEEDS, total)
    whole = 0 if at_init else trained or usual
    return consecutive(config.seed, max(total, whole), whole)


def for_check(
    config: ExperimentConfig,
    baseline: SeedStatistics | None,
    *,
    at_init: bool,
    seeds: int | None,
    trained: int | None,
) -> Seeds:
    """The seeds of a check: the baseline's, or a few for theory."""
    whole = trained or (baseline.trained_seeds if baseline else 0) or 1
    whole = 0 if at_init else whole
    if baseline is not None:
        return consecutive(config.seed, max(seeds or len(baseline.seeds), whole), whole)
    total = seeds or (1 if config.model.source is not None else SEEDS_WITHOUT_BASELINE)
    return consecutive(config.seed, max(total, whole), whole)


def for_single_seed(
    config: ExperimentConfig, *, at_init: bool, seeds: int | None, trained: int | None
) -> Seeds:
    """The seed of a model given as an object; raises `BadRequest` where more are requested."""
    if max(seeds or 1, trained or 1) > 1:
        raise BadRequest(
            "a model given as an object has the weights of one seed, and more seeds were asked for",
            "give a function that builds and compiles it: it is called once per seed",
        )
    return consecutive(config.seed, 1, 0 if at_init else 1)


def consecutive(first: int, total: int, trained: int) -> Seeds:
    """`total` seeds from `first` on, of which `trained` are trained."""
    every = tuple(range(first, first + total))
    return Seeds(every[:trained], every[trained:])


def seeds_for_comparison(config: ExperimentConfig) -> int:
    """Seeds that a comparison of independent draws of the built-in network needs."""
    layers = [
        LayerInfo(
            index=index,
            name=f"hidden_{index + 1}",
            kind="Dense",
            role=Role.HIDDEN,
            units=layer.units,
            activation=layer.activation.name,
            normalization=None if layer.batch_norm == "none" else Normalization(layer.batch_norm),
        )
        for index, layer in enumerate(config.model.hidden_layers)
    ]
    return seeds_needed(layers, unpaired.tail_of_slopes(unpaired.BUDGET / 2))
