"""What Keras's layers are, as far as measuring needs to know."""

from __future__ import annotations

import math
from typing import Any

import keras

from gradscope.catalog.activations import Activation, find_activation
from gradscope.catalog.initializers import INITIALIZERS

_LAYERS = keras.layers

NORMALIZATIONS: tuple[type, ...] = tuple(
    getattr(_LAYERS, name)
    for name in (
        "BatchNormalization",
        "LayerNormalization",
        "RMSNormalization",
        "GroupNormalization",
        "UnitNormalization",
    )
    if hasattr(_LAYERS, name)
)
DROPOUTS: tuple[type, ...] = (
    _LAYERS.Dropout,
    _LAYERS.SpatialDropout1D,
    _LAYERS.SpatialDropout2D,
    _LAYERS.SpatialDropout3D,
    _LAYERS.GaussianDropout,
    _LAYERS.GaussianNoise,
    _LAYERS.AlphaDropout,
)
RESHAPERS: tuple[type, ...] = (
    _LAYERS.Flatten,
    _LAYERS.Reshape,
    _LAYERS.Permute,
    _LAYERS.Identity,
)
"""Layers that give exactly the values they are given, perhaps in another order."""

MOVERS: tuple[type, ...] = (
    _LAYERS.RepeatVector,
    _LAYERS.Cropping1D,
    _LAYERS.Cropping2D,
    _LAYERS.Cropping3D,
    _LAYERS.ZeroPadding1D,
    _LAYERS.ZeroPadding2D,
    _LAYERS.ZeroPadding3D,
    _LAYERS.Masking,
)
"""Layers that copy, pad, crop or blank values and compute none."""

_ACTIVATION_LAYERS: tuple[type, ...] = (
    _LAYERS.Activation,
    _LAYERS.ReLU,
    _LAYERS.LeakyReLU,
    _LAYERS.PReLU,
    _LAYERS.ELU,
    _LAYERS.Softmax,
)
LOOPS: tuple[Any, ...] = (_LAYERS.RNN, _LAYERS.TimeDistributed)
"""Layers that call what they hold inside a loop, where its tensors cannot be reached."""

_BY_CLASS = {entry.keras_class: entry for entry in INITIALIZERS.values()}
Parameters = dict[str, Any]


def is_activation_layer(layer: Any) -> bool:
    """Whether the whole layer is an activation."""
    return isinstance(layer, _ACTIVATION_LAYERS)


def activation_of(layer: Any) -> tuple[str | None, Activation | None, Parameters]:
    """Name, catalog entry and parameters of the activation a layer applies.

    ``("linear", ...)`` for weights without one; the entry is None for what the catalog does not
    know, and for a recurrent layer, whose activation acts inside its loop.
    """
    if isinstance(layer, LOOPS):
        return _function_name(getattr(_looped(layer), "activation", None)), None, {}
    if isinstance(layer, _LAYERS.ReLU):
        return _relu(layer)
    if isinstance(layer, _LAYERS.LeakyReLU):
        return _entry("leaky_relu", {"negative_slope": float(layer.negative_slope)})
    if isinstance(layer, _LAYERS.ELU):
        return _entry("elu", {"alpha": float(layer.alpha)})
    if isinstance(layer, _LAYERS.PReLU):
        return _entry("prelu", dict(getattr(layer, "gradscope_parameters", {})))
    if isinstance(layer, _LAYERS.Softmax):
        return _entry("softmax", {})
    function = getattr(layer, "activation", None)
    if not callable(function):
        return _entry("linear", {})
    given = getattr(function, "gradscope_parameters", None)
    module = getattr(function, "__module__", "") or ""
    if given is None and not module.startswith(("keras", "tensorflow")):
        return _function_name(function), None, {}
    return _entry(str(_function_name(function)), dict(given or {}))


def _relu(layer: Any) -> tuple[str | None, Activation | None, Parameters]:
    plain = not layer.negative_slope and not layer.threshold
    if plain and layer.max_value is None:
        return _entry("relu", {})
    if plain and layer.max_value == 6:
        return _entry("relu6", {})
    if layer.max_value is None and not layer.threshold:
        return _entry("leaky_relu", {"negative_slope": float(layer.negative_slope)})
    return "relu with max_value or threshold", None, {}


def _entry(name: str, given: Parameters) -> tuple[str | None, Activation | None, Parameters]:
    entry = find_activation(name)
    if entry is None:
        return name, None, {}
    parameters = entry.complete(given)
    return entry.name, entry, parameters


def _function_name(function: Any) -> str | None:
    if function is None:
        return None
    return str(getattr(function, "__name__", None) or getattr(function, "name", "unknown"))


def own_matrices(layer: Any) -> list[Any]:
    """The layer's weight matrices (two axes or more), not those of layers measured themselves.

    Biases are none, though attention's have the axes [head, unit] and a GRU's two rows. Layers that
    loop own what they hold: a recurrent layer its `kernel` and its `recurrent_kernel`.
    """
    if is_activation_layer(layer) or isinstance(layer, NORMALIZATIONS):
        return []
    biases = {id(bias) for bias in biases_of(layer)}
    return [w for w in own_weights(layer) if len(w.shape) >= 2 and id(w) not in biases]


def _looped(layer: Any) -> Any:
    """What a layer of `LOOPS` calls again and again: its cell, or the layer it distributes."""
    return getattr(layer, "cell", None) or getattr(layer, "layer", None) or layer


def biases_of(layer: Any) -> list[Any]:
    """The layer's biases; several only where a loop holds several layers."""
    holders = [layer, *_flat(layer)] if isinstance(layer, LOOPS) else [layer]
    found = (getattr(holder, "bias", None) for holder in holders)
    return [bias for bias in found if isinstance(bias, keras.Variable)]


def own_weights(layer: Any) -> list[Any]:
    """The weights that belong to no layer inside `layer`, though it may hold on to theirs."""
    if isinstance(layer, LOOPS):
        return list(layer.weights)
    inner = {id(weight) for held in _flat(layer) for weight in held.weights}
    return [weight for weight in layer._trainable_variables if id(weight) not in inner]


def parameters(layer: Any) -> int:
    """Number of the layer's weights; without those of layers that have rows of their own."""
    whole = isinstance(layer, LOOPS) or not layer._layers
    return sum(math.prod(w.shape) for w in (layer.weights if whole else own_weights(layer)))


def _flat(layer: Any) -> list[Any]:
    return list(layer._flatten_layers(include_self=False))


def unit_axes(layer: Any, rank: int) -> tuple[int, ...]:
    """The axes of an output of `rank` axes that number its units; the others are samples, places.

    The last one, or the channels' under ``channels_first``, or all those that an einsum makes.
    """
    if getattr(layer, "data_format", None) == "channels_first" and rank > 2:
        return (1,)
    if isinstance(layer, _LAYERS.BatchNormalization):
        return (layer.axis % rank,)
    if isinstance(layer, _LAYERS.EinsumDense) and "..." not in layer.equation:
        kernel, inputs, output = _einsum_axes(layer.equation)
        made = tuple(i for i, axis in enumerate(output) if axis in kernel and axis not in inputs)
        return made or (rank - 1,)
    return (rank - 1,)


def fans(layer: Any) -> tuple[int | None, int | None]:
    """fan_in and fan_out of the layer's matrix; None where two of them follow each other.

    Inputs behind each output value and outputs made of each input value, with stride 1.
    """
    matrices = own_matrices(layer)
    if not matrices or isinstance(layer, (_LAYERS.Embedding, *_SEPARABLE)):
        return None, None
    shape = tuple(int(size) for size in matrices[0].shape)
    if isinstance(layer, _LAYERS.EinsumDense):
        return _einsum_fans(layer.equation, shape)
    receptive = math.prod(shape[:-2])
    if isinstance(layer, _DEPTHWISE):
        return receptive, receptive * shape[-1]
    if isinstance(layer, _TRANSPOSED):
        return receptive * shape[-1], receptive * shape[-2]
    return receptive * shape[-2], receptive * shape[-1] // int(getattr(layer, "groups", 1))


_SEPARABLE = (_LAYERS.SeparableConv1D, _LAYERS.SeparableConv2D)
_DEPTHWISE = (_LAYERS.DepthwiseConv1D, _LAYERS.DepthwiseConv2D)
_TRANSPOSED = (_LAYERS.Conv1DTranspose, _LAYERS.Conv2DTranspose, _LAYERS.Conv3DTranspose)


def _einsum_axes(equation: str) -> tuple[str, str, str]:
    """The axes of kernel, input and output of an equation such as ``abc,cde->abde``."""
    left, output = equation.replace(" ", "").split("->")
    inputs, kernel = left.split(",")
    return kernel, inputs, output


def _einsum_fans(equation: str, shape: tuple[int, ...]) -> tuple[int, int]:
    kernel, inputs, output = _einsum_axes(equation)
    contracted = math.prod(size for axis, size in zip(kernel, shape, strict=True) if axis in inputs)
    produced = math.prod(
        size
        for axis, size in zip(kernel, shape, strict=True)
        if axis in output and axis not in inputs
    )
    return contracted, produced


def initializer_of(layer: Any) -> tuple[str | None, Parameters]:
    """The catalog's name and parameters of the initializer of the layer's first matrix."""
    for name in ("kernel_initializer", "depthwise_initializer", "embeddings_initializer"):
        initializer = getattr(_looped(layer), name, None)
        if initializer is None:
            continue
        return _told(initializer)
    return None, {}


def bias_initializer_of(layer: Any) -> tuple[str | None, Parameters]:
    """The same of the layer's bias; None where it has none."""
    initializer = getattr(layer, "bias_initializer", None)
    return _told(initializer) if initializer and biases_of(layer) else (None, {})


def _told(initializer: Any) -> tuple[str, Parameters]:
    entry = _BY_CLASS.get(type(initializer).__name__)
    if entry is None:
        return type(initializer).__name__, {}
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    return entry.name, {key: config[key] for key in entry.parameters if key in config}
