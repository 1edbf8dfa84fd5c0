"""Counts of one pass, taken inside the graph: which units live, and histograms of z and of delta.

Counts of several passes add up, so that a set of samples of any size is counted in pieces. Of the
tensors of a pass only the counts leave the graph.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.record import Histogram
from gradscope.record.run_record import Floats, Integers
from gradscope.runner.runtime.conditional import unlowered_cond
from gradscope.runner.runtime.precision import float32_or_wider
from gradscope.runner.step.reductions import GraphReductions
from gradscope.runner.step.sizes import known_size
from gradscope.runner.survey.sites import Site

PREACTIVATION_EDGES: Floats = np.sinh(np.linspace(-10.0, 10.0, 81))
"""Evenly spaced in asinh(z): linear bins of 0.25 around zero, logarithmic ones out to 11000."""

LOG_DELTA_EDGES: Floats = np.linspace(-40.0, 12.0, 209)
"""Quarter decades of |delta| over the whole range of normal float32 values that errors take."""


@dataclass(frozen=True)
class PassCounts:
    """The counts of one pass or of several, as arrays.

    `alive` says of the units of each site with an activation, one site after another, whether a
    sample lets a gradient pass; `units` [site with an activation] are the numbers of units. `z` and
    `delta` are [site, bin]: the first bin holds what is below the first edge, the last what is
    above the last edge or is no number. Both are without rows where there was no backward pass.
    """

    alive: npt.NDArray[np.bool_]
    units: Integers
    z: Integers
    delta: Integers

    @classmethod
    def from_tensors(cls, tensors: Sequence[Any]) -> PassCounts:
        """The counts that a traced `count_pass` gave."""
        alive, units, z, delta = (tensor.numpy() for tensor in tensors)
        return cls(alive, units, z.astype(np.int64), delta.astype(np.int64))

    def __add__(self, other: PassCounts) -> PassCounts:
        """The counts of both."""
        alive = self.alive | other.alive
        return PassCounts(alive, self.units, self.z + other.z, self.delta + other.delta)


@dataclass(frozen=True)
class Piece:
    """The batch of a pass: its size, delta's factor, and how many of its first samples count.

    `factor` makes of a gradient of the scaled mean loss the delta of a sample: the batch size over
    the scale. Every sample counts where `counted` is None.
    """

    size: Any
    factor: Any
    counted: Any = None

    def rows(self, tensor: Any) -> Any:
        """The rows of the samples that count, at least as float32.

        Some layers have several rows for a sample, as windows of an image. A tensor whose rows are
        no samples is counted as a whole.
        """
        wide = float32_or_wider(tensor)
        rows = wide.shape[0]
        if self.counted is None or (rows is not None and rows % self.size):
            return wide
        rows = tf.shape(wide)[0] if rows is None else rows
        return wide[: rows // self.size * self.counted]


def count_pass(
    sites: Sequence[Site], z: Sequence[Any], deltas: Sequence[Any], piece: Piece
) -> tuple[Any, Any, Any, Any]:
    """Count one pass, in a traced function; `PassCounts.from_tensors` reads the result.

    One tensor is counted after another: all at once, their copies would fill the memory. Without
    deltas only the living units are counted.
    """
    chain = _Chain()
    factor = tf.cast(piece.factor, tf.float64)

    def sizes(delta: Any) -> Any:
        return tf.abs(_wide(piece.rows(delta)) * factor)

    def wide_rows(tensor: Any) -> Any:
        return _wide(piece.rows(tensor))

    delta_counts = [
        chain.next(_bin_counts, partial(sizes, delta), 10.0**LOG_DELTA_EDGES)
        for delta in reversed(deltas)
    ]
    z_counts, alive = [], []
    for site, tensor in zip(sites, z, strict=True):
        if len(deltas):
            counted = chain.next(_bin_counts, partial(wide_rows, tensor), PREACTIVATION_EDGES)
            z_counts.append(counted)
        if site.activation:
            alive.append(chain.next(_alive, partial(piece.rows, tensor), site))
    return (
        *_joined(alive),
        _stacked(z_counts, len(PREACTIVATION_EDGES) + 1),
        _stacked(delta_counts[::-1], len(LOG_DELTA_EDGES) + 1),
    )


def count_living(sites: Sequence[Site], z: Sequence[Any]) -> tuple[Any, Any, Any, Any]:
    """The counts of `count_pass` with the living units alone, in few operations.

    Small tensors of one shape and one activation are looked at in one stack.
    """
    groups: dict[Any, list[int]] = {}
    for position, (site, tensor) in enumerate(zip(sites, z, strict=True)):
        if site.activation:
            groups.setdefault(_kind(site, tensor, position), []).append(position)
    alive: dict[int, Any] = {}
    for positions in groups.values():
        first = sites[positions[0]]
        if len(positions) == 1:
            rows = [_alive(float32_or_wider(z[positions[0]]), first)]
        else:
            stack = float32_or_wider(tf.stack([z[position] for position in positions]))
            rows = tf.unstack(_alive_stacked(stack, first))
        alive |= dict(zip(positions, rows, strict=True))
    none = (_stacked((), len(edges) + 1) for edges in (PREACTIVATION_EDGES, LOG_DELTA_EDGES))
    return (*_joined([alive[position] for position in sorted(alive)]), *none)


def _kind(site: Site, z: Any, position: int) -> Any:
    """What sites of one stack have in common; the position of a site that stands alone."""
    assert site.activation is not None
    if site.activation.trained_parameter or known_size(z) > GraphReductions.stacking_limit:
        return position
    return (site.activation.name, site.parameters, site.unit_axes, tuple(z.shape), z.dtype)


def _joined(alive: Sequence[Any]) -> tuple[Any, Any]:
    """The living units of all sites in one vector, and how many units each site has."""
    sizes = [each.shape[0] for each in alive]
    units = (
        tf.concat([tf.shape(each)[:1] for each in alive], 0)
        if None in sizes
        else tf.constant(sizes, tf.int32)
    )
    return tf.concat([tf.zeros([0], tf.bool), *alive], 0), units


class _Chain:
    """Computes tensors one after another."""

    def __init__(self) -> None:
        self._last: list[Any] = []

    def next(self, count: Callable[[Any, Any], Any], tensor: Callable[[], Any], how: Any) -> Any:
        """``count(tensor(), how)``, after what came before."""
        with tf.control_dependencies(self._last):
            result = count(tensor(), how)
        self._last = [result]
        return result


def _wide(tensor: Any) -> Any:
    return tf.cast(tensor, tf.float64)


def _bin_counts(values: Any, edges: Floats) -> Any:
    """How many values lie below the first edge, in each bin, and above or nowhere: int32 [bin].

    A bin includes its lower edge, the last one its upper edge too, as in `numpy.histogram`.
    """
    bounds = tf.constant([*edges[:-1], np.nextafter(edges[-1], np.inf)], tf.float64)
    bins = tf.raw_ops.UpperBound(
        sorted_inputs=bounds[tf.newaxis], values=tf.reshape(values, [1, -1])
    )
    none = tf.constant([], tf.int32)
    return tf.raw_ops.DenseBincount(
        input=tf.reshape(bins, [-1]), size=len(edges) + 1, weights=none, binary_output=False
    )


def _stacked(rows: Sequence[Any], width: int) -> Any:
    return tf.stack(rows) if rows else tf.zeros([0, width], tf.int32)


def _alive(z: Any, site: Site) -> Any:
    """Which units of z [sample, ...] let a gradient pass for a sample and position: bool [unit]."""
    return tf.reshape(_alive_stacked(z[tf.newaxis], site), [-1])


def _alive_stacked(z: Any, site: Site) -> Any:
    """The same of a stack [tensor, sample, ...]: bool [tensor, unit].

    A derivative that is zero in float32 only is looked at again in float64.
    """
    rank = z.shape.rank
    axes = [axis + 1 for axis in site.unit_axes] or [rank - 1]
    others = [axis for axis in range(1, rank) if axis not in axes]

    def passing(values: Any) -> Any:
        passed = tf.reduce_any(_derivative(site, values) != 0, others)
        return passed if len(axes) == 1 else tf.reshape(passed, [z.shape[0], -1])

    assert site.activation is not None
    alive = passing(z)
    if site.activation.homogeneous or z.dtype == tf.float64:
        return alive
    return unlowered_cond(tf.reduce_all(alive), lambda: alive, lambda: passing(_wide(z)))


def _derivative(site: Site, z: Any) -> Any:
    assert site.activation is not None
    parameters: dict[str, Any] = dict(site.parameters)
    if site.activation.trained_parameter:
        trained = tf.convert_to_tensor(site.trained_parameter)
        parameters[site.activation.trained_parameter] = tf.cast(trained, z.dtype)
    return site.activation.derivative(z, keras.ops, **parameters)


def dead_fractions(layers: int, sites: Sequence[Site], counts: PassCounts) -> Floats:
    """Share of each layer's units that let no gradient pass for any sample, [layer].

    A unit (a channel, where there are positions) is dead when phi'(z) is exactly zero for every
    sample and position; NaN for layers without an activation that the catalog knows.
    """
    shares = np.full(layers, np.nan)
    activated = [site for site in sites if site.activation]
    by_site = np.split(counts.alive, np.cumsum(counts.units)[:-1]) if activated else []
    for site, alive in zip(activated, by_site, strict=True):
        shares[site.index] = np.mean(~alive)
    return shares


def histograms(
    layers: int, sites: Sequence[Site], counts: PassCounts, step: int
) -> dict[str, Histogram]:
    """The pre-activations and log10 |delta| per layer, of passes with a backward pass."""
    named = {
        "preactivation": _histogram("z", counts.z, PREACTIVATION_EDGES, step),
        "log10_abs_delta": _histogram("log10 |delta|", counts.delta, LOG_DELTA_EDGES, step),
    }
    rows = [site.index for site in sites]
    return {name: _by_layer(histogram, layers, rows) for name, histogram in named.items()}


def _histogram(quantity: str, counts: Integers, edges: Floats, step: int) -> Histogram:
    outside = counts[:, 0] + counts[:, -1]
    return Histogram(quantity, np.array([step], np.int64), edges, counts[:, 1:-1], outside)


def _by_layer(histogram: Histogram, layers: int, rows: Sequence[int]) -> Histogram:
    counts = np.zeros((1, layers, len(histogram.edges) - 1), np.int64)
    outside = np.zeros((1, layers), np.int64)
    counts[0, rows], outside[0, rows] = histogram.counts, histogram.outside
    return Histogram(histogram.quantity, histogram.steps, histogram.edges, counts, outside)
