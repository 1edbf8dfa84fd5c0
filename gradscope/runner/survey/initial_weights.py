"""Look at the weight matrices before the first update, and at the initializers that made them."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from gradscope.record import InitialWeight
from gradscope.runner.survey import layer_weights
from gradscope.runner.survey.calls import recordable_layers
from gradscope.runner.survey.sites import SiteMap
from gradscope.runner.survey.weight_constraints import weight_constraint

_AT_ONCE = 2**20
"""Entries that are widened to float64 together: 8 MiB."""


def initial_weights(model: Any, sites: SiteMap) -> tuple[InitialWeight, ...]:
    """The present weight matrices of the layers, in their order; a shared layer's once."""
    layers = {id(layer): layer for layer in recordable_layers(model)}
    return tuple(
        _initial_weight(info.name, layers[key], variable)
        for info, (key, number) in zip(sites.layers, sites.calls, strict=True)
        if number == 0 and key in layers
        for variable in layer_weights.weight_matrices(layers[key])
    )


def _initial_weight(name: str, layer: Any, variable: Any) -> InitialWeight:
    values = keras.ops.convert_to_numpy(variable.value)
    initializer, parameters, (fan_in, fan_out) = layer_weights.initializer_of_weight(
        layer, variable
    )
    mean, variance = _moments(values)
    return InitialWeight(
        layer=name,
        weight=variable.name,
        shape=tuple(int(size) for size in values.shape),
        dtype=str(keras.backend.standardize_dtype(variable.dtype)),
        fan_in=fan_in,
        fan_out=fan_out,
        mean=mean,
        variance=variance,
        minimum=float(values.min()),
        maximum=float(values.max()),
        initializer=initializer,
        parameters=parameters,
        constraint=weight_constraint(variable),
    )


def _moments(values: Any) -> tuple[float, float]:
    """Mean and variance in float64, in two passes over a part at a time."""
    flat = values.reshape(-1)
    parts = range(0, flat.size, _AT_ONCE)
    with np.errstate(all="ignore"):
        total = sum(np.sum(flat[at : at + _AT_ONCE].astype(np.float64)) for at in parts)
        mean = float(total / flat.size)
        squares = sum(
            np.sum(np.square(flat[at : at + _AT_ONCE].astype(np.float64) - mean)) for at in parts
        )
    return mean, float(squares / flat.size)
