"""Figures of pre-activations z, activations a and their gradients delta."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from gradscope.catalog.activations import Activation
from gradscope.runner.runtime.conditional import unlowered_cond
from gradscope.runner.runtime.precision import float32_or_wider
from gradscope.runner.step import moments
from gradscope.runner.step.figures import Figures
from gradscope.runner.step.reductions import Reductions
from gradscope.runner.step.sizes import known_size, length, lengths, sizes
from gradscope.runner.survey.calls import Call
from gradscope.runner.survey.sites import Site

# Rows of the moments [12, tensor]: which statistic each of them is.
_MOMENTS = (
    ("", "", "activation_mean"),
    ("preactivation_second_moment", "delta_second_moment", "activation_second_moment"),
    ("preactivation_variance", "delta_variance", "activation_variance"),
    ("activation_sample_variance",),
)
_POWERS = np.array([[0.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0, 2.0, 0.0, 0.0]]).T
_NONFINITE = ("nonfinite_forward_count", "nonfinite_backward_count", "nonfinite_forward_count")

LARGE = 2**18
"""Values of a tensor (1 MiB) from which a conditional costs little beside its sums."""

Item = TypeVar("Item")


@dataclass(frozen=True)
class Signal:
    """The argument z and the result a of one site's activation."""

    site: Site
    z: Any
    a: Any

    @classmethod
    def from_call(cls, site: Site, call: Call) -> Signal:
        """Take z and a from the call that carries them.

        A fused activation was recorded itself. The input of an activation layer is its z. A layer
        without an activation has z = a, its output.
        """
        output = call.outputs[site.output]
        if call.z is not None and (call.z.shape, call.z.dtype) == (call.a.shape, call.a.dtype):
            return cls(site, call.z, call.a)
        if site.input_is_z:
            return cls(site, call.inputs[0], output)
        return cls(site, output, output)


@dataclass(frozen=True)
class _Group:
    """Signals of one shape with their z, a and delta as [batch, unit], float32 or wider."""

    signals: tuple[Signal, ...]
    z: tuple[Any, ...]
    a: tuple[Any, ...]
    delta: tuple[Any, ...]


def add_signal_figures(
    figures: Figures,
    signals: Sequence[Signal],
    deltas: Sequence[Any],
    samples: Any,
    reductions: Reductions,
) -> None:
    """Add the figures of all sites; those of one shape are computed together.

    `samples` is the batch size (some tensors have no batch axis, or one longer than that) over the
    factor by which the loss was scaled.
    """
    if not signals:
        return
    pairs = list(zip(signals, deltas, strict=True))
    groups = [_group(pairs) for pairs in _grouped(pairs, partial(_shape, reductions))]
    groups.sort(key=lambda group: _is_large(group.z[0], reductions))
    values, nonzero, nonfinite = tf.split(_moments(groups, reductions), [10, 2, 3])
    ordered = [signal for group in groups for signal in group.signals]
    indices = [signal.site.index for signal in ordered]
    # The tape differentiates the mean over the batch: times the batch size, sizes compare.
    base = tf.cast(samples, tf.float64) if tf.is_tensor(samples) else samples
    names = [name for row in _MOMENTS for name in row]
    figures.add(names, indices, values * base**_POWERS)
    figures.add(_NONFINITE, indices, nonfinite)
    figures.add(["nonfinite_count"] * 3, indices, nonfinite)
    _add_shares(figures, groups, nonzero, reductions)


def _shape(reductions: Reductions, pair: tuple[Signal, Any]) -> tuple[Any, ...]:
    """What tensors of one group have in common; a large tensor is a group of its own."""
    z = pair[0].z
    alone = id(pair[0]) if _is_large(z, reductions) else None
    return (tuple(z.shape), z.dtype, alone)


def _is_large(z: Any, reductions: Reductions) -> bool:
    return known_size(z) > max(LARGE, reductions.stacking_limit)


def _group(pairs: Sequence[tuple[Signal, Any]]) -> _Group:
    signals = tuple(signal for signal, _ in pairs)
    return _Group(
        signals,
        tuple(_flat(signal.z) for signal in signals),
        tuple(_flat(signal.a) for signal in signals),
        tuple(_flat(delta) for _, delta in pairs),
    )


def _flat(x: Any) -> Any:
    """The tensor as [batch, unit]; half precision is widened, which changes no value."""
    wide = float32_or_wider(x)
    return wide if wide.shape.rank == 2 else tf.reshape(wide, [length(wide), -1])


def _moments(groups: Sequence[_Group], reductions: Reductions) -> Any:
    """Moments and counts of all signals, group after group: float64 [15, signal].

    A large tensor has a conditional of its own, which lets go of it: one conditional for all
    tensors would keep every delta of the network until the last one is there.
    """
    large = [group for group in groups if _is_large(group.z[0], reductions)]
    small = groups[: len(groups) - len(large)]
    together = [small, *([group] for group in large)] if small else [[group] for group in large]
    return tf.concat([_moments_of(part, reductions) for part in together], 1)


def _moments_of(groups: Sequence[_Group], reductions: Reductions) -> Any:
    """The moments of some groups, read again in float64 where float32 loses something."""
    signals = [z for group in groups for z in group.z]
    group_sums = [moments.read_sums(g.z, g.a, g.delta, reductions) for g in groups]
    sums = tf.concat([sums_of_group.fast for sums_of_group in group_sums], 1)
    fast, safe = moments.moments_of_sums(sums, sizes(signals), lengths(signals))
    return unlowered_cond(
        safe,
        lambda: tf.pad(fast, [[0, 3], [0, 0]]),
        lambda: tf.concat([sums_of_group.exact() for sums_of_group in group_sums], 1),
    )


def _add_shares(
    figures: Figures, groups: Sequence[_Group], nonzero: Any, reductions: Reductions
) -> None:
    """Shares of zeros and of underflow, and the mean derivative.

    `nonzero` are the numbers of values of delta and of a that are not zero [2, signal].
    """
    nonzero_delta, nonzero_a = tf.unstack(nonzero)
    blocks: dict[tuple[str, ...], list[tuple[list[int], Any]]] = {}
    start = 0
    for group in groups:
        count, size = len(group.signals), sizes(group.z[:1])[0]
        activations = [_activation(signal) for signal in group.signals]
        for positions in _grouped(range(count), activations.__getitem__):
            indices = [group.signals[i].site.index for i in positions]
            columns = [start + i for i in positions]
            counts = tf.gather(nonzero_a, columns), tf.gather(nonzero_delta, columns)
            names, block = _shares(group, positions, counts, size, reductions)
            blocks.setdefault(names, []).append((indices, block))
        start += count
    for names, parts in blocks.items():
        indices = [index for part, _ in parts for index in part]
        figures.add(names, indices, tf.concat([block for _, block in parts], 1))


def _activation(signal: Signal) -> tuple[Any, ...]:
    site = signal.site
    return (site.activation.name if site.activation else None, site.parameters)


def _shares(
    group: _Group,
    positions: Sequence[int],
    counts: tuple[Any, Any],
    size: Any,
    reductions: Reductions,
) -> tuple[tuple[str, ...], Any]:
    """Names and figures of signals with one activation; `counts` are nonzero values of a, delta."""
    nonzero_a, nonzero_delta = counts
    first = group.signals[positions[0]].site
    zero = 1.0 - nonzero_a / size
    if first.activation is None:
        names: tuple[str, ...] = ("zero_fraction", "underflow_fraction")
        return names, tf.stack([zero, 1.0 - nonzero_delta / size])
    if first.activation.switches:
        passing, total = nonzero_a, nonzero_a
    else:
        passing, total = _derivative_sums(
            first.activation,
            [group.signals[i] for i in positions],
            [group.z[i] for i in positions],
            reductions,
        )
    # Where phi' is zero so is delta, exactly: the other vanished deltas are lost signals.
    underflow = tf.math.divide_no_nan(tf.maximum(passing - nonzero_delta, 0.0), passing)
    bound = first.activation.derivative_bound(**dict(first.parameters))
    # Without a largest derivative (exp) there is no share of it.
    largest = bound if math.isfinite(bound) else math.nan
    names = ("zero_fraction", "underflow_fraction", "derivative_gain")
    return names, tf.stack([zero, underflow, total / (size * largest)])


def _derivative_sums(
    entry: Activation, signals: Sequence[Signal], z: Sequence[Any], reductions: Reductions
) -> tuple[Any, Any]:
    """Number of nonzero phi'(z) and sum of phi'(z), each float64 [signal]."""
    derivatives: Any
    if known_size(z[0]) <= reductions.stacking_limit:
        derivatives = _derivative(entry, signals, tf.stack(z))
    else:
        derivatives = [
            _derivative(entry, [signal], values[tf.newaxis])[0]
            for signal, values in zip(signals, z, strict=True)
        ]
    passing, total = reductions.nonzero_counts(derivatives), reductions.sums(derivatives)
    return tf.cast(passing, tf.float64), tf.cast(total, tf.float64)


def _derivative(entry: Activation, signals: Sequence[Signal], z: Any) -> Any:
    """phi'(z) of a stack [signal, batch, unit]."""
    parameters: dict[str, Any] = dict(signals[0].site.parameters)
    if entry.trained_parameter:
        slopes = [
            tf.reshape(tf.broadcast_to(s.site.trained_parameter, tf.shape(s.z)[1:]), [1, -1])
            for s in signals
        ]
        parameters[entry.trained_parameter] = tf.cast(tf.stack(slopes), z.dtype)
    return entry.derivative(z, keras.ops, **parameters)


def _grouped(items: Iterable[Item], key: Callable[[Item], Any]) -> list[list[Item]]:
    groups: dict[Any, list[Item]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())
