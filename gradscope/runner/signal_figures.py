"""Figures of z, a and delta."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import keras
import tensorflow as tf

from gradscope.runner import moments
from gradscope.runner.figures import Figures
from gradscope.runner.sites import Site
from gradscope.runner.taps import Call

TOGETHER = 2**20
"""Values of one tensor from which copying it beside others costs more than its own operations."""

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


def put(figures: Figures, signals: Sequence[Signal], deltas: Sequence[Any]) -> None:
    """Compute the figures of all sites, those that look alike in one go."""
    for places in _grouped(range(len(signals)), lambda i: _looks(signals[i])):
        _put_group(figures, [signals[i] for i in places], [deltas[i] for i in places])


def _looks(signal: Signal) -> tuple[Any, ...]:
    site, shape = signal.site, signal.z.shape
    alone = site.index if shape.num_elements() > TOGETHER else -1
    name = site.activation.name if site.activation else None
    return (int(shape[0]), signal.z.dtype, name, site.parameters, alone)


def _put_group(figures: Figures, group: Sequence[Signal], raw_deltas: Sequence[Any]) -> None:
    indices = [signal.site.index for signal in group]
    z, columns = moments.flat([signal.z for signal in group])
    a, _ = moments.flat([signal.a for signal in group])
    delta, _ = moments.flat([tf.cast(d, z.dtype) for d in raw_deltas])
    batch = float(z.shape[0])
    all_three = tf.stack([z, a, delta])
    found = moments.moments(all_three, columns)
    lost = _nonfinite(all_three, found, columns)
    # The tape differentiates the mean over the batch: times the batch size, sizes compare.
    figures.put(
        indices,
        preactivation_second_moment=found.second_moment[0],
        preactivation_variance=found.variance[0],
        activation_mean=found.mean[1],
        activation_second_moment=found.second_moment[1],
        activation_variance=found.variance[1],
        activation_sample_variance=found.sample_variance[1],
        delta_second_moment=found.second_moment[2] * batch**2,
        delta_variance=found.variance[2] * batch**2,
        zero_fraction=moments.share(a == 0, columns),
        nonfinite_forward_count=lost[0] + lost[1],
        nonfinite_backward_count=lost[2],
        nonfinite_count=lost[0] + lost[1] + lost[2],
    )
    tiny = tf.abs(delta) < tf.cast(moments.SMALLEST_NORMAL, delta.dtype)
    derivative = _derivative(group, z)
    entry = group[0].site.activation
    if entry is None or derivative is None:
        figures.put(indices, underflow_fraction=moments.share(tiny, columns))
        return
    passing = derivative != 0
    passed = moments.share(passing, columns)
    figures.put(
        indices,
        underflow_fraction=tf.math.divide_no_nan(
            moments.share(tf.logical_and(tiny, passing), columns), passed
        ),
        derivative_gain=columns.per_tensor(tf.reduce_mean(tf.cast(derivative, tf.float64), 0))
        / entry.derivative_bound(**dict(group[0].site.parameters)),
    )


def _nonfinite(values: Any, found: moments.Moments, columns: moments.Columns) -> Any:
    """Count NaN and Inf only where a moment shows that there are any: the count costs a pass."""
    clean = tf.reduce_all(tf.math.is_finite(found.second_moment))
    return tf.cond(
        clean,
        lambda: tf.zeros_like(found.second_moment),
        lambda: moments.nonfinite(values, columns),
    )


def _derivative(group: Sequence[Signal], z: Any) -> Any:
    """phi'(z) of columns [batch, columns], or None where phi is not known value by value."""
    entry = group[0].site.activation
    if entry is None:
        return None
    parameters: dict[str, Any] = dict(group[0].site.parameters)
    if entry.trained_parameter:
        slopes = [
            tf.reshape(tf.broadcast_to(s.site.trained_parameter, s.z.shape[1:]), [-1])
            for s in group
        ]
        parameters[entry.trained_parameter] = tf.concat(slopes, 0)[tf.newaxis]
    return entry.derivative(z, keras.ops, **parameters)


def _grouped(items: Iterable[Item], key: Callable[[Item], Any]) -> list[list[Item]]:
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())
