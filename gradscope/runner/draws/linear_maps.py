"""The second moment of a linear layer's output given its input, for weights not yet drawn.

For independent weights of mean 0 it is the same map of x^2 with every weight replaced by E w^2: for
every padding, stride, dilation, group, transposed or einsum layer, at any width, and for orthogonal
kernels. A constant kernel treats all channels alike, so one channel with a kernel of ones is
enough; E w^2 is multiplied with it later.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

Moment = Callable[[Any], Any]


@dataclass(frozen=True)
class UnitMap:
    """A layer's map with a kernel of ones, on second moments.

    `response(x)` is the mean over the outputs of the map of x^2, `transposed(delta, x)` the mean
    over the inputs of the transposed map of delta^2, `mean_response(x)` that of the squared map
    of x, NaN where the channels are not all summed. `weights` are the kernels that E w^2 is of.
    """

    weights: tuple[Any, ...]
    response: Moment
    mean_response: Moment
    transposed: Callable[[Any, Any], Any]


def unit_map(layer: Any) -> UnitMap | None:
    """The map of a layer; None where it has none."""
    layers = keras.layers
    if isinstance(layer, layers.Embedding):
        return _embedding(layer)
    if isinstance(layer, layers.EinsumDense):
        return _einsum(layer)
    if isinstance(layer, layers.Dense):
        return _dense(layer)
    if isinstance(layer, (layers.SeparableConv1D, layers.SeparableConv2D)):
        return _convolution(layer, (layer.depthwise_kernel, layer.pointwise_kernel))
    if isinstance(layer, (layers.DepthwiseConv1D, layers.DepthwiseConv2D)):
        return _convolution(layer, (layer.kernel,))
    transposed = (layers.Conv1DTranspose, layers.Conv2DTranspose, layers.Conv3DTranspose)
    if isinstance(layer, transposed):
        return _convolution(layer, (layer.kernel,))
    if isinstance(layer, (layers.Conv1D, layers.Conv2D, layers.Conv3D)):
        return _convolution(layer, (layer.kernel,))
    return None


def second_moment(x: Any) -> Any:
    """E x^2 over all values, in float64."""
    return tf.reduce_mean(tf.square(tf.cast(x, tf.float64)))


def _square(x: Any) -> Any:
    return tf.square(tf.cast(x, tf.float64))


def _nothing(x: Any) -> Any:
    return tf.constant(math.nan, tf.float64)


def _dense(layer: Any) -> UnitMap:
    def mean_response(x: Any) -> Any:
        return second_moment(tf.reduce_sum(tf.cast(x, tf.float64), -1))

    return UnitMap(
        (layer.kernel,),
        lambda x: second_moment(x) * float(x.shape[-1]),
        mean_response,
        lambda delta, x: second_moment(delta) * float(delta.shape[-1]),
    )


def _embedding(layer: Any) -> UnitMap:
    one = tf.constant(1.0, tf.float64)
    nan = tf.constant(math.nan, tf.float64)
    return UnitMap((layer.embeddings,), lambda x: one, _nothing, lambda delta, x: nan)


def _einsum(layer: Any) -> UnitMap:
    inputs, output = layer.equation.replace(" ", "").split("->")
    fed, _ = inputs.split(",")
    fed, output = fed.replace("...", ""), output.replace("...", "")

    def sizes(x: Any, names: str, others: str) -> float:
        """Product of the axes that the other side lacks; the last axes are the named ones."""
        shape = x.shape[-len(names) :] if names else ()
        pairs = zip(names, shape, strict=True)
        return float(math.prod(int(size) for name, size in pairs if name not in others))

    return UnitMap(
        (layer.kernel,),
        lambda x: second_moment(x) * sizes(x, fed, output),
        _nothing,
        lambda delta, x: second_moment(delta) * sizes(delta, output, fed),
    )


def _convolution(layer: Any, weights: tuple[Any, ...]) -> UnitMap:
    """One channel through a kernel of ones; how many channels are summed depends on the layer."""
    separable = len(weights) == 2
    depthwise = separable or "Depthwise" in _bases(layer)
    groups = int(getattr(layer, "groups", 1))
    multiplier = int(getattr(layer, "depth_multiplier", 1))

    def channels(x: Any) -> float:
        """How many inputs each output sums, beside the offsets of the kernel."""
        features = float(x.shape[-1])
        return 1.0 if depthwise and not separable else features / groups

    def response(x: Any) -> Any:
        x = _channels_last(layer, x)
        read, _, outputs = _times_read(layer, x)
        summed = channels(x) * (multiplier if separable else 1.0)
        return tf.reduce_sum(_place_means(x) * read) / outputs * summed

    def mean_response(x: Any) -> Any:
        if depthwise or groups > 1:
            return _nothing(x)
        x = _channels_last(layer, x)
        return second_moment(_map_of_ones(layer, tf.reduce_sum(x, -1, keepdims=True)))

    def transposed(delta: Any, x: Any) -> Any:
        delta, x = _channels_last(layer, delta), _channels_last(layer, x)
        features = float(delta.shape[-1])
        summed = float(multiplier) * features if separable else features / groups
        if depthwise and not separable:
            summed = float(multiplier)
        _, reads, _ = _times_read(layer, x)
        inputs = tf.cast(tf.size(x[:1, ..., :1]), tf.float64)
        return tf.reduce_sum(_place_means(delta) * reads) / inputs * summed

    return UnitMap(weights, response, mean_response, transposed)


def _times_read(layer: Any, x: Any) -> tuple[Any, Any, Any]:
    """How many outputs read each place of the input, how many places each output reads, and the
    number of outputs.

    The mean of a map of ones over its outputs is that of its input, times how often each is read:
    one sample is enough to count, whatever the size of the batch.
    """
    one = tf.ones_like(x[:1, ..., :1], tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(one)
        reads = _convolved(layer, one)
    read = tape.gradient(reads, one)
    read, reads = (tf.cast(counts[0, ..., 0], tf.float64) for counts in (read, reads))
    return read, reads, tf.cast(tf.size(reads), tf.float64)


def _place_means(x: Any) -> Any:
    """E x^2 at each place, over samples and channels."""
    return tf.reduce_mean(_square(x), [0, -1])


def _channels_last(layer: Any, x: Any) -> Any:
    """The tensor with its channels as the last axis, whatever the layer's data format."""
    if getattr(layer, "data_format", "channels_last") == "channels_last":
        return x
    return tf.transpose(x, [0, *range(2, x.shape.rank), 1])


def _bases(layer: Any) -> str:
    return " ".join(base.__name__ for base in type(layer).__mro__)


def _map_of_ones(layer: Any, x: Any) -> Any:
    """The convolution of one channel with ones, float64, whatever the size of its values."""
    wide = tf.cast(x, tf.float64)
    scale = tf.maximum(tf.reduce_max(tf.abs(wide)), tf.constant(1e-300, tf.float64))
    return tf.cast(_convolved(layer, tf.cast(wide / scale, tf.float32)), tf.float64) * scale


def _convolved(layer: Any, one: Any) -> Any:
    size = tuple(layer.kernel_size)
    ones = tf.ones((*size, 1, 1), tf.float32)
    common = {
        "strides": list(layer.strides),
        "dilation_rate": layer.dilation_rate,
        "data_format": "channels_last",
    }
    padding = layer.padding
    if "Transpose" in _bases(layer):
        return keras.ops.conv_transpose(
            one, ones, output_padding=layer.output_padding, padding=padding, **common
        )
    if padding == "causal":
        before = layer.dilation_rate[0] * (size[0] - 1)
        one, padding = tf.pad(one, [[0, 0], [before, 0], [0, 0]]), "valid"
    return keras.ops.conv(one, ones, padding=padding, **common)
