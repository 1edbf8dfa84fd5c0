"""The table of Keras's layer classes: traits, fans, unit axes and activations of each kind.

A layer kind that gradscope does not know yet is one entry of `LAYER_KINDS`. Layers without an entry
are measured by what they hold: their matrices, or their output alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras

from gradscope.catalog.activations import Activation, find_activation
from gradscope.record.layers import Trait

Parameters = dict[str, Any]
Shape = tuple[int, ...]
Fans = tuple[int | None, int | None]

_FUNCTIONS = {"gelu_approximate": ("gelu", {"approximate": True})}
"""Activation functions of keras-hub that the catalog has under another name."""

_FIXED_BY_CALL = frozenset([Trait.FULLY_CONNECTED, Trait.LINEAR_KERNEL, Trait.DROPOUT])
"""Traits that a subclass has only if it keeps its base class's ``call``: SpatialDropout2D is a
subclass of Dropout."""


@dataclass(frozen=True)
class LayerKind:
    """What some Keras classes and their subclasses are.

    `names` are classes of ``keras.layers``; an older Keras may lack some. `fans` gives fan_in and
    fan_out from a layer and the shape of its first matrix, where they are not those of a Dense or
    convolution kernel. `unit_axes` gives the axes of an output of so many axes that number units.
    `activation` gives name and parameters of the activation that the whole layer is.
    """

    names: tuple[str, ...]
    traits: tuple[Trait, ...] = ()
    fans: Callable[[Any, Shape], Fans] | None = None
    unit_axes: Callable[[Any, int], Shape] | None = None
    activation: Callable[[Any], tuple[str, Parameters]] | None = None

    def base_class(self, layer: Any) -> type | None:
        """The first of the classes that `layer` is an instance of."""
        classes = (getattr(keras.layers, name, None) for name in self.names)
        return next((base for base in classes if base and isinstance(layer, base)), None)


def traits_of(layer: Any) -> tuple[Trait, ...]:
    """The traits of a layer, in the order of `Trait`; a recurrent layer has its cell's, too."""
    traits: set[Trait] = set()
    for kind, base in _kinds_of(layer):
        changed = type(layer).call is not base.call  # type: ignore[attr-defined]
        traits |= set(kind.traits) - (_FIXED_BY_CALL if changed else set())
    if Trait.LOOP in traits and hasattr(layer, "cell"):
        traits |= set(traits_of(layer.cell))
    return tuple(trait for trait in Trait if trait in traits)


def has_trait(layer: Any, trait: Trait) -> bool:
    """Whether the layer has `trait`."""
    return trait in traits_of(layer)


def activation_of(layer: Any) -> tuple[str | None, Activation | None, Parameters]:
    """Name, catalog entry and parameters of the activation a layer applies.

    ``("linear", ...)`` for weights without one. The entry is None for an activation that the
    catalog does not have, and for a recurrent layer, whose activation acts inside its loop.
    """
    if has_trait(layer, Trait.LOOP):
        return _function_name(getattr(looped_layer(layer), "activation", None)), None, {}
    for kind, _ in _kinds_of(layer):
        if kind.activation:
            return _catalog_entry(*kind.activation(layer))
    function = getattr(layer, "activation", None)
    if not callable(function):
        return _catalog_entry("linear", {})
    parameters = getattr(function, "gradscope_parameters", None)
    module = getattr(function, "__module__", "") or ""
    if parameters is None and not module.startswith(("keras", "tensorflow")):
        return _function_name(function), None, {}
    name = str(_function_name(function))
    return _catalog_entry(*_FUNCTIONS.get(name, (name, dict(parameters or {}))))


def looped_layer(layer: Any) -> Any:
    """What a layer calls in its loop: its cell, or the layer it distributes over time."""
    return getattr(layer, "cell", None) or getattr(layer, "layer", None) or layer


def unit_axes(layer: Any, rank: int) -> Shape:
    """The axes of an output of `rank` axes that number its units; the others: samples, positions.

    The last axis, or the channel axis under ``channels_first``, or all that an einsum makes.
    """
    if getattr(layer, "data_format", None) == "channels_first" and rank > 2:
        return (1,)
    for kind, _ in _kinds_of(layer):
        if kind.unit_axes:
            return kind.unit_axes(layer, rank)
    return (rank - 1,)


def fans_of(layer: Any, shape: Shape) -> Fans:
    """fan_in and fan_out of a layer whose first matrix has `shape`.

    Inputs of each output value and outputs of each input value, with stride 1; None where two
    matrices follow each other, or where the matrix is looked up in.
    """
    for kind, _ in _kinds_of(layer):
        if kind.fans:
            return kind.fans(layer, shape)
    receptive = math.prod(shape[:-2])
    return receptive * shape[-2], receptive * shape[-1] // int(getattr(layer, "groups", 1))


def joins_positions(layer: Any) -> bool:
    """Whether the layer computes each position of a sequence from several: attention, recurrence.

    And a convolution along the sequence whose kernel is longer than one position.
    """
    if isinstance(layer, _JOINING):
        return True
    return isinstance(layer, _CONVOLVING) and max(layer.kernel_size) > 1


def normalized_values(layer: Any, shape: Any) -> int | None:
    """Number of values of one sample over which `layer` takes a mean; `shape` is its input's.

    None for layers that take none, or take it over the batch, and where a size is not known.
    """
    sizes = list(shape)
    if isinstance(layer, keras.layers.LayerNormalization):
        axes = [layer.axis] if isinstance(layer.axis, int) else list(layer.axis)
        counted = [sizes[axis] for axis in axes]
    elif isinstance(layer, keras.layers.GroupNormalization):
        channels = sizes[layer.axis]
        if channels is None:
            return None
        groups = channels if layer.groups == -1 else int(layer.groups)
        others = [size for at, size in enumerate(sizes) if at not in (0, layer.axis % len(sizes))]
        counted = [channels // groups, *others]
    else:
        return None
    return None if None in counted else math.prod(int(size) for size in counted)


def _kinds_of(layer: Any) -> Iterator[tuple[LayerKind, type]]:
    """The entries of the table that `layer` belongs to, each with the base class in it."""
    for kind in LAYER_KINDS:
        base = kind.base_class(layer)
        if base is not None:
            yield kind, base


def _no_fans(layer: Any, shape: Shape) -> Fans:
    return None, None


def _depthwise_fans(layer: Any, shape: Shape) -> Fans:
    receptive = math.prod(shape[:-2])
    return receptive, receptive * shape[-1]


def _transposed_fans(layer: Any, shape: Shape) -> Fans:
    receptive = math.prod(shape[:-2])
    return receptive * shape[-1], receptive * shape[-2]


def _einsum_axes(equation: str) -> tuple[str, str, str]:
    """The axes of kernel, input and output of an equation such as ``abc,cde->abde``."""
    left, output = equation.replace(" ", "").split("->")
    inputs, kernel = left.split(",")
    return kernel, inputs, output


def einsum_kernel_axes(layer: Any) -> tuple[list[int], list[int]] | tuple[None, None]:
    """The input and output axes of an EinsumDense kernel; (None, None) for other layers."""
    if not isinstance(layer, keras.layers.EinsumDense):
        return None, None
    kernel, _, output = _einsum_axes(layer.equation)
    produced = [i for i, axis in enumerate(kernel) if axis in output]
    return [i for i in range(len(kernel)) if i not in produced], produced


def _einsum_fans(layer: Any, shape: Shape) -> Fans:
    kernel, inputs, output = _einsum_axes(layer.equation)
    axes = list(zip(kernel, shape, strict=True))
    contracted = math.prod(size for axis, size in axes if axis in inputs)
    produced = math.prod(size for axis, size in axes if axis in output and axis not in inputs)
    return contracted, produced


def _einsum_unit_axes(layer: Any, rank: int) -> Shape:
    if "..." in layer.equation:
        return (rank - 1,)
    kernel, inputs, output = _einsum_axes(layer.equation)
    made = tuple(i for i, axis in enumerate(output) if axis in kernel and axis not in inputs)
    return made or (rank - 1,)


def _batch_norm_unit_axes(layer: Any, rank: int) -> Shape:
    return (layer.axis % rank,)


def _relu(layer: Any) -> tuple[str, Parameters]:
    if layer.threshold or (layer.negative_slope and layer.max_value is not None):
        return "relu with max_value or threshold", {}
    if layer.negative_slope:
        return "leaky_relu", {"negative_slope": float(layer.negative_slope)}
    names = {None: "relu", 6: "relu6"}
    return names.get(layer.max_value, "relu with max_value or threshold"), {}


def _leaky_relu(layer: Any) -> tuple[str, Parameters]:
    return "leaky_relu", {"negative_slope": float(layer.negative_slope)}


def _elu(layer: Any) -> tuple[str, Parameters]:
    return "elu", {"alpha": float(layer.alpha)}


def _prelu(layer: Any) -> tuple[str, Parameters]:
    return "prelu", dict(getattr(layer, "gradscope_parameters", {}))


def _softmax(layer: Any) -> tuple[str, Parameters]:
    return "softmax", {}


def _catalog_entry(
    name: str, parameters: Parameters
) -> tuple[str | None, Activation | None, Parameters]:
    entry = find_activation(name)
    if entry is None:
        return name, None, {}
    return entry.name, entry, entry.complete(parameters)


def _function_name(function: Any) -> str | None:
    if function is None:
        return None
    return str(getattr(function, "__name__", None) or getattr(function, "name", "unknown"))


_JOINING = tuple(
    getattr(keras.layers, name)
    for name in (
        *("RNN", "Bidirectional", "Attention", "AdditiveAttention"),
        *("MultiHeadAttention", "GroupQueryAttention"),
    )
)
_CONVOLVING = (keras.layers.Conv1D, keras.layers.SeparableConv1D, keras.layers.DepthwiseConv1D)
_LOOP, _ACTIVATION = (Trait.LOOP,), (Trait.ACTIVATION,)
_DROPOUTS = ("SpatialDropout1D", "SpatialDropout2D", "SpatialDropout3D")
_NOISES = ("GaussianDropout", "GaussianNoise")
_NORMALIZATIONS = (
    *("LayerNormalization", "RMSNormalization", "GroupNormalization", "UnitNormalization"),
)
_RESHAPERS = ("Flatten", "Reshape", "Permute", "Identity")
_MERGES = ("Average", "Dot", "Maximum", "Minimum", "Subtract")
_MOVERS = (
    *("RepeatVector", "Cropping1D", "Cropping2D", "Cropping3D"),
    *("ZeroPadding1D", "ZeroPadding2D", "ZeroPadding3D", "Masking"),
)

LAYER_KINDS: tuple[LayerKind, ...] = (
    LayerKind(("Dense",), (Trait.FULLY_CONNECTED, Trait.LINEAR_KERNEL)),
    LayerKind(("Conv1D", "Conv2D", "Conv3D"), (Trait.LINEAR_KERNEL,)),
    LayerKind(("SeparableConv1D", "SeparableConv2D"), fans=_no_fans),
    LayerKind(("DepthwiseConv1D", "DepthwiseConv2D"), fans=_depthwise_fans),
    LayerKind(("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"), fans=_transposed_fans),
    LayerKind(("EinsumDense",), fans=_einsum_fans, unit_axes=_einsum_unit_axes),
    LayerKind(("Embedding",), (Trait.LOOKUP,), fans=_no_fans),
    LayerKind(("RNN", "TimeDistributed"), _LOOP),
    LayerKind(("SimpleRNNCell",), (Trait.SIMPLE_RECURRENCE,)),
    LayerKind(("LSTMCell",), (Trait.FORGET_GATE,)),
    LayerKind(("GRUCell",), (Trait.UPDATE_GATE,)),
    LayerKind(
        ("BatchNormalization",),
        (Trait.NORMALIZATION, Trait.BATCH_NORM),
        unit_axes=_batch_norm_unit_axes,
    ),
    LayerKind(_NORMALIZATIONS, (Trait.NORMALIZATION,)),
    LayerKind(("Dropout",), (Trait.RANDOM, Trait.DROPOUT)),
    LayerKind(("AlphaDropout",), (Trait.RANDOM, Trait.ALPHA_DROPOUT)),
    LayerKind((*_DROPOUTS, *_NOISES), (Trait.RANDOM,)),
    LayerKind(_RESHAPERS, (Trait.UNCHANGED_VALUES,)),
    LayerKind(_MOVERS, (Trait.MOVED_VALUES,)),
    LayerKind(("Rescaling",), (Trait.RESCALING,)),
    LayerKind(("Activation",), _ACTIVATION),
    LayerKind(("ReLU",), _ACTIVATION, activation=_relu),
    LayerKind(("LeakyReLU",), _ACTIVATION, activation=_leaky_relu),
    LayerKind(("PReLU",), _ACTIVATION, activation=_prelu),
    LayerKind(("ELU",), _ACTIVATION, activation=_elu),
    LayerKind(("Softmax",), _ACTIVATION, activation=_softmax),
    LayerKind(("Add",), (Trait.MERGE, Trait.SUM)),
    LayerKind(_MERGES, (Trait.MERGE,)),
    LayerKind(("Multiply",), (Trait.MERGE, Trait.PRODUCT)),
    LayerKind(("Concatenate",), (Trait.MERGE, Trait.CONCATENATION)),
)
