"""The weights of a Keras layer: matrices, biases, fans and initializers."""

from __future__ import annotations

import math
from typing import Any

import keras

from gradscope.catalog.initializers import INITIALIZERS, keras_fans
from gradscope.record.layers import Trait
from gradscope.runner.survey.layer_kinds import (
    Fans,
    Parameters,
    einsum_kernel_axes,
    fans_of,
    looped_layer,
    traits_of,
)

_ENTRY_BY_CLASS = {entry.keras_class: entry for entry in INITIALIZERS.values()}


def weight_matrices(layer: Any) -> list[Any]:
    """The trainable weights of two axes or more that `direct_weights` gives, without biases.

    An attention's bias has the axes [head, unit] and a GRU's two rows; neither is a matrix. A
    recurrent layer has its `kernel` and its `recurrent_kernel`.
    """
    if {Trait.ACTIVATION, Trait.NORMALIZATION} & set(traits_of(layer)):
        return []
    biases = {id(bias) for bias in biases_of(layer)}
    return [w for w in direct_weights(layer) if len(w.shape) >= 2 and id(w) not in biases]


def biases_of(layer: Any) -> list[Any]:
    """The layer's biases; several only where a loop holds several layers."""
    holders = [layer, *_inner_layers(layer)] if _loops(layer) else [layer]
    biases = (getattr(holder, "bias", None) for holder in holders)
    return [bias for bias in biases if isinstance(bias, keras.Variable)]


def direct_weights(layer: Any) -> list[Any]:
    """The weights that belong to no layer inside `layer`, even if `layer` refers to theirs.

    All weights of a layer that loops: what it holds has no row of its own.
    """
    if _loops(layer):
        return list(layer.weights)
    inner = {id(weight) for held in _inner_layers(layer) for weight in held.weights}
    return [weight for weight in layer._trainable_variables if id(weight) not in inner]


def is_frozen(layer: Any) -> bool:
    """Whether the layer has weights of its own and none of them trains."""
    weights = direct_weights(layer)
    return bool(weights) and not any(weight.trainable for weight in weights)


def parameter_count(layer: Any) -> int:
    """Number of the layer's weights, without those of layers that have rows of their own."""
    whole = _loops(layer) or not layer._layers
    return sum(math.prod(w.shape) for w in (layer.weights if whole else direct_weights(layer)))


def fans(layer: Any) -> Fans:
    """fan_in and fan_out of the layer's first matrix; None where there is none."""
    matrices = weight_matrices(layer)
    if not matrices:
        return None, None
    return fans_of(layer, tuple(int(size) for size in matrices[0].shape))


def initializer_of(layer: Any) -> tuple[str | None, Parameters]:
    """The catalog's name and parameters of the initializer of the layer's first matrix."""
    for name in ("kernel_initializer", "depthwise_initializer", "embeddings_initializer"):
        initializer = getattr(looped_layer(layer), name, None)
        if initializer is not None:
            return _catalog_initializer(initializer)
    return None, {}


def initializer_of_weight(
    layer: Any, variable: Any
) -> tuple[str | None, Parameters, tuple[int, int]]:
    """The initializer of one matrix of the layer: the catalog's name, parameters, and its fans.

    The name is None where the layer that holds the matrix has no such setting: a weight that a
    layer of one's own adds is made by what its ``build`` passes to ``add_weight``, which Keras does
    not keep.
    """
    for holder in (layer, *_inner_layers(layer)):
        if any(variable is held for held in holder._trainable_variables):
            for name in (variable.name, variable.name.removesuffix("_kernel")):
                initializer = getattr(holder, f"{name}_initializer", None)
                if initializer is not None:
                    fans = _initializer_fans(initializer, holder, variable.shape)
                    return *_catalog_initializer(initializer), fans
    return None, {}, keras_fans(variable.shape)


def _initializer_fans(initializer: Any, holder: Any, shape: Any) -> tuple[int, int]:
    """The fans that the initializer takes; from Keras 3.15 on an EinsumDense names the axes."""
    axes = tuple(getattr(initializer, f"{end}_axes", None) for end in ("input", "output"))
    if hasattr(initializer, "input_axes") and None in axes:
        axes = einsum_kernel_axes(holder)
    return keras_fans(shape, *axes)


def bias_initializer_of(layer: Any) -> tuple[str | None, Parameters]:
    """The catalog's name and parameters of the bias's initializer; None where there is no bias."""
    initializer = getattr(layer, "bias_initializer", None)
    return _catalog_initializer(initializer) if initializer and biases_of(layer) else (None, {})


def _catalog_initializer(initializer: Any) -> tuple[str, Parameters]:
    entry = _ENTRY_BY_CLASS.get(type(initializer).__name__)
    if entry is None:
        return type(initializer).__name__, {}
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    return entry.name, {key: config[key] for key in entry.parameters if key in config}


def _loops(layer: Any) -> bool:
    return Trait.LOOP in traits_of(layer)


def _inner_layers(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False))
