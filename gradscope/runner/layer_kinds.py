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
MOVERS: tuple[type, ...] = (
    _LAYERS.Flatten,
    _LAYERS.Reshape,
    _LAYERS.Permute,
    _LAYERS.RepeatVector,
    _LAYERS.Cropping1D,
    _LAYERS.Cropping2D,
    _LAYERS.Cropping3D,
    _LAYERS.ZeroPadding1D,
    _LAYERS.ZeroPadding2D,
    _LAYERS.ZeroPadding3D,
    _LAYERS.UpSampling1D,
    _LAYERS.UpSampling2D,
    _LAYERS.UpSampling3D,
    _LAYERS.Identity,
    _LAYERS.Masking,
)
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
        return _function_name(getattr(layer, "activation", None)), None, {}
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
    """The layer's weight matrices (two axes or more), not those of layers measured themselves."""
    if is_activation_layer(layer) or isinstance(layer, NORMALIZATIONS):
        return []
    return [weight for weight in _own_weights(layer) if len(weight.shape) >= 2]


def bias_of(layer: Any) -> Any:
    """The layer's bias, or None."""
    if isinstance(layer, LOOPS):
        return None
    bias = getattr(layer, "bias", None)
    return bias if isinstance(bias, keras.Variable) else None


def _own_weights(layer: Any) -> list[Any]:
    if isinstance(layer, LOOPS):
        return list(layer.weights)
    return list(layer._trainable_variables)


def fans(layer: Any) -> tuple[int | None, int | None]:
    """fan_in and fan_out of the layer's first matrix."""
    matrices = own_matrices(layer)
    if not matrices or isinstance(layer, _LAYERS.Embedding):
        return None, None
    shape = tuple(int(size) for size in matrices[0].shape)
    if isinstance(layer, _LAYERS.EinsumDense):
        return _einsum_fans(layer.equation, shape)
    receptive = math.prod(shape[:-2])
    if isinstance(layer, (_LAYERS.DepthwiseConv1D, _LAYERS.DepthwiseConv2D)):
        return receptive, receptive * shape[-1]
    return receptive * shape[-2], receptive * shape[-1]


def _einsum_fans(equation: str, shape: tuple[int, ...]) -> tuple[int, int]:
    left, output = equation.replace(" ", "").split("->")
    inputs, kernel = left.split(",")
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
        initializer = getattr(layer, name, None)
        if initializer is None:
            continue
        return _told(initializer)
    return None, {}


def bias_initializer_of(layer: Any) -> tuple[str | None, Parameters]:
    """The same of the layer's bias; None where it has none."""
    initializer = getattr(layer, "bias_initializer", None)
    return _told(initializer) if initializer and layer.use_bias else (None, {})


def _told(initializer: Any) -> tuple[str, Parameters]:
    entry = _BY_CLASS.get(type(initializer).__name__)
    if entry is None:
        return type(initializer).__name__, {}
    config = initializer.get_config() if hasattr(initializer, "get_config") else {}
    return entry.name, {key: config[key] for key in entry.parameters if key in config}
