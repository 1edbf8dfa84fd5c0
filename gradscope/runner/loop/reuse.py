"""One built and traced network for many configs: those that differ in what is no part of the graph.

Initializers, seed, learning rate and the order of the data change numbers, not operations. So a
network that is built and traced once is trained for each of them, with the figures that a network
built for it would give, bit for bit.
"""

from __future__ import annotations

from dataclasses import replace

from gradscope.config.experiment import ExperimentConfig, InitializerSpec
from gradscope.record import LayerInfo
from gradscope.runner.loop.training import Experiment
from gradscope.runner.network.model import Weight
from gradscope.runner.network.workload import weight_drawing
from gradscope.theory.built_in_layers import built_in_layers


def take_over(experiment: Experiment, config: ExperimentConfig) -> None:
    """Have `experiment` go on as that of `config`, which has the same `graph_key.graph_key`."""
    workload = experiment.workload
    built = workload.built
    assert built is not None and workload.draw_rest is not None
    weights = tuple(
        replace(weight, initializer=_initializer(config, weight)) for weight in built.weights
    )
    for weight in weights:
        # The survey of the initial weights reads it there.
        setattr(weight.layer, f"{weight.attribute}_initializer", weight.values(config.seed))
    sites = replace(experiment.sites, layers=_described(experiment, config))
    experiment.take_over(
        config,
        sites,
        replace(
            workload,
            draw_weights=weight_drawing(weights, workload.draw_rest),
            built=replace(built, weights=weights),
        ),
    )


def _initializer(config: ExperimentConfig, weight: Weight) -> InitializerSpec:
    """What `config` gives as the initializer of a weight of the built-in network."""
    if weight.attribute not in ("kernel", "bias"):
        return weight.initializer  # PReLU's alpha, whose start is part of the activation
    if weight.owner == "output":
        return (
            config.model.output.initializer if weight.attribute == "kernel" else weight.initializer
        )
    layer = config.model.hidden_layers[int(weight.owner.removeprefix("hidden_")) - 1]
    return layer.initializer if weight.attribute == "kernel" else layer.bias_initializer


def _described(experiment: Experiment, config: ExperimentConfig) -> tuple[LayerInfo, ...]:
    """The layers as surveyed, with the initializers of `config`."""
    data = experiment.workload.data
    fields = (
        "initializer",
        "initializer_parameters",
        "bias_initializer",
        "bias_initializer_parameters",
    )
    table = built_in_layers(config, data.feature_shape, data.task, data.classes, 1)
    expected = {layer.name: layer for layer in table}
    return tuple(
        replace(layer, **{name: getattr(expected[layer.name], name) for name in fields})
        if layer.name in expected and layer.weighted
        else layer
        for layer in experiment.sites.layers
    )
