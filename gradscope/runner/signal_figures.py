"""Figures of z, a and delta."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from gradscope.catalog.activations import Activation
from gradscope.runner import moments
from gradscope.runner.figures import Figures
from gradscope.runner.sites import Site
from gradscope.runner.taps import Call

TOGETHER = 2**20
"""Values of one tensor from which copying it beside others costs more than its own operations."""

# Rows of the block of moments [moment, tensor kind]: which statistic each of them is.
_MOMENTS = (
    ("", "activation_mean", ""),
    ("preactivation_second_moment", "activation_second_moment", "delta_second_moment"),
    ("preactivation_variance", "activation_variance", "delta_variance"),
    ("", "activation_sample_variance", ""),
)
_COUNTS = ("nonfinite_forward_count", "nonfinite_forward_count", "nonfinite_backward_count")

Item = TypeVar("Item")


@dataclass(frozen=True)
class Signal:
    """What one site's activation received and gave."""

    site: Site
    z: Any
    a: Any

    @classmethod
    def of(cls, site: Site, call: Call) -> Signal:
        """Take z and a from the call that carries them.

        A fused activation was heard itself; an activation layer's input is its z; a layer without
        an activation has z = a, its output.
        """
        output = next(tensor for tensor in call.outputs if tensor.dtype.is_floating)
        if call.z is not None:
            return cls(site, call.z, call.a)
        if site.activation is not None and site.activation.name != "linear":
            return cls(site, call.inputs[0], output)
        return cls(site, output, output)


def put(figures: Figures, signals: Sequence[Signal], deltas: Sequence[Any], samples: int) -> None:
    """Compute the figures of all sites, those that look alike in one go.

    `samples` is the batch size: some tensors have no batch axis, or one longer than that.
    """
    for places in _grouped(range(len(signals)), lambda i: _looks(signals[i])):
        _put_group(figures, [signals[i] for i in places], [deltas[i] for i in places], samples)


def _looks(signal: Signal) -> tuple[Any, ...]:
    site, shape = signal.site, signal.z.shape
    alone = site.index if shape.num_elements() > TOGETHER else -1
    name = site.activation.name if site.activation else None
    return (tuple(shape), signal.z.dtype, name, site.parameters, alone)


def _put_group(
    figures: Figures, group: Sequence[Signal], raw_deltas: Sequence[Any], samples: int
) -> None:
    count, indices = len(group), [signal.site.index for signal in group]
    deltas = [tf.cast(delta, group[0].z.dtype) for delta in raw_deltas]
    stack = tf.stack([*(s.z for s in group), *(s.a for s in group), *deltas])
    batch = int(stack.shape[1])
    x = stack if stack.shape.rank == 3 else tf.reshape(stack, [3 * count, batch, -1])
    found, lost = _moments(x)
    # The tape differentiates the mean over the batch: times the batch size, sizes compare.
    scale = np.ones((4, 3, 1))
    scale[:, 2] = np.array([[samples], [samples**2], [samples**2], [samples**2]])
    names = [name for row in _MOMENTS for name in row]
    figures.put(names, indices, tf.reshape(found, [4, 3, count]) * scale)
    lost = tf.reshape(lost, [3, count])
    figures.put(_COUNTS, indices, lost)
    figures.put(["nonfinite_count"] * 3, indices, lost)
    _put_shares(figures, group, indices, x)


def _moments(x: Any) -> tuple[Any, Any]:
    """Moments [4, tensor] and numbers of NaN and Inf [tensor]; exact where float32 is not."""
    fast = moments.moments(tf.cast(x, tf.float32) if x.dtype.size < 4 else x)
    found = tf.cond(
        moments.safe(fast),
        lambda: tf.concat([fast, tf.zeros_like(fast[:1])], 0),
        lambda: tf.concat(
            [moments.moments(tf.cast(x, tf.float64)), moments.nonfinite(x)[tf.newaxis]], 0
        ),
    )
    return found[:4], found[4]


def _put_shares(figures: Figures, group: Sequence[Signal], indices: Sequence[int], x: Any) -> None:
    """Shares of zeros and of underflow, and the mean derivative."""
    count, size = len(group), float(x.shape[1] * x.shape[2])
    z, a, delta = x[:count], x[count : 2 * count], x[2 * count :]
    tiny = tf.abs(delta) < tf.cast(moments.SMALLEST_NORMAL, delta.dtype)
    entry = group[0].site.activation
    if entry is None:
        shares = _counts([a == 0, tiny]) / size
        figures.put(["zero_fraction", "underflow_fraction"], indices, shares)
        return
    derivative = _derivative(entry, group, z)
    zero, small, passing = tf.unstack(_counts([a == 0, tiny, derivative != 0]))
    # Where phi' is zero so is delta, exactly: the rest of the vanished deltas are lost signals.
    lost = tf.math.divide_no_nan(tf.maximum(small - (size - passing), 0.0), passing)
    gain = tf.reduce_mean(tf.cast(derivative, tf.float32), [1, 2])
    bound = entry.derivative_bound(**dict(group[0].site.parameters))
    figures.put(
        ["zero_fraction", "underflow_fraction", "derivative_gain"],
        indices,
        tf.stack([zero / size, lost, tf.cast(gain, tf.float64) / bound]),
    )


def _counts(conditions: Sequence[Any]) -> Any:
    """Number of true values of each tensor: float64 [condition, tensor].

    float32 counts exactly to 2^24, float64 beyond.
    """
    truth = tf.stack(conditions)
    exact = tf.float32 if truth.shape[2] * truth.shape[3] < 2**24 else tf.float64
    return tf.cast(tf.reduce_sum(tf.cast(truth, exact), [2, 3]), tf.float64)


def _derivative(entry: Activation, group: Sequence[Signal], z: Any) -> Any:
    """phi'(z) of a stack [tensor, batch, unit]."""
    parameters: dict[str, Any] = dict(group[0].site.parameters)
    if entry.trained_parameter:
        slopes = [
            tf.reshape(tf.broadcast_to(s.site.trained_parameter, s.z.shape[1:]), [1, -1])
            for s in group
        ]
        parameters[entry.trained_parameter] = tf.cast(tf.stack(slopes), z.dtype)
    return entry.derivative(z, keras.ops, **parameters)


def _grouped(items: Iterable[Item], key: Callable[[Item], Any]) -> list[list[Item]]:
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())
