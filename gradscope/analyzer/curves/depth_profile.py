"""How signal and gradient change from layer to layer, as ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.network import first_trained
from gradscope.catalog.activations import find_activation
from gradscope.record import LayerInfo, Normalization, Role, RunRecord, Trait
from gradscope.record.run_record import Floats


@dataclass(frozen=True)
class DepthProfile:
    """Signal and delta over depth, at every recorded step, of the layers all paths go through.

    These are the hidden layers on the main path, the layers that merge branches, and those that
    normalize the stream. A branch (a residual block, the query of an attention) is left
    out: its figures say nothing about what passes beside it. So is an embedding, which looks up
    weights and has no pre-activation.

    `signal` is the rms of z [step, layer]. `delta` is the rms of the units' deltas, each summed in
    quadrature over its `positions`: pooling from 49 pixels to one gives each pixel a 49th of the
    gradient and none of it is lost. `signal_relative` is over the first layer's, `delta_relative`
    over the last one's (`delta_reference`; the output layer's own delta does not count: a softmax
    head drops it once, by its geometry). NaN where a figure is missing or not finite, or where
    the reference is zero.

    `gradient_relative` is what verdicts compare. It is `delta_relative` unless `scale_free`: where
    a batch or layer normalization takes the scale out of the output of one of the layers, that
    scale is a unit of measurement, and delta has its reciprocal. Then delta is taken times the rms
    of z, which is the change of the loss with a relative change of the signal. `signal_comparable`
    is `signal_relative` without such layers, over the first of the others; from a normalization of
    the stream on, over that, since it gives the signal another unit. `signal_starts` names the
    layer that each is over.
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    signal: Floats
    delta: Floats
    signal_relative: Floats
    delta_relative: Floats
    gradient_relative: Floats
    signal_comparable: Floats
    signal_starts: tuple[str, ...]
    scale_free: bool

    @property
    def quantity(self) -> str:
        """What `gradient_relative` compares, in words."""
        return "the rms of delta times that of z" if self.scale_free else "the rms of delta"


def depth_profile(record: RunRecord) -> DepthProfile:
    """Give the depth profile of a record."""
    indices = stations(record)
    columns = list(indices)
    signal = _rms(record.series["preactivation_second_moment"][:, columns])
    delta = _unit_delta(record)[:, columns]
    unscaled = [_loses_its_scale(record, index) for index in indices]
    relative, scale_free = relative_delta(record)[:, columns], any(unscaled)
    kept = np.where(unscaled, np.nan, signal)
    starts = _starts(record, indices, unscaled)
    names = tuple(record.layers[i].name for i in indices)
    gradient = _ratio(delta * signal, (delta * signal)[:, -1:]) if scale_free else relative
    return DepthProfile(
        names=names,
        indices=indices,
        signal=signal,
        delta=delta,
        signal_relative=_ratio(signal, signal[:, :1]),
        delta_relative=relative,
        gradient_relative=gradient,
        signal_comparable=_ratio(kept, kept[:, starts]),
        signal_starts=tuple(names[i] for i in starts),
        scale_free=scale_free,
    )


def _starts(record: RunRecord, indices: tuple[int, ...], unscaled: list[bool]) -> list[int]:
    """The position of the station with which the signal of each is compared."""
    start = unscaled.index(False) if False in unscaled else 0
    starts = []
    for position, index in enumerate(indices):
        if record.layers[index].role == Role.NORMALIZATION and not unscaled[position]:
            start = position
        starts.append(start)
    return starts


def stations(record: RunRecord) -> tuple[int, ...]:
    """Indices of the layers that a profile over depth is made of.

    What stands before the first layer that trains is left out: no gradient is needed there.
    """
    first = first_trained(record)
    return tuple(
        layer.index
        for layer in record.layers
        if layer.measured and layer.index >= first and _is_station(layer)
    )


def _loses_its_scale(record: RunRecord, index: int) -> bool:
    """Whether a normalization that everything passes takes out the scale of the layer's z.

    It does where it comes next, with nothing but layers without weights and activations without a
    scale of their own in between. What is normalized before the activation has z behind it.
    """
    layer = record.layers[index]
    before = layer.normalization == Normalization.BEFORE_ACTIVATION
    return not before and _keeps_scale(layer) and _is_normalized_next(record, index)


def _keeps_scale(layer: LayerInfo) -> bool:
    entry = find_activation(str(layer.activation)) if layer.activation else None
    return layer.activation is None or (entry is not None and entry.homogeneous)


def _is_normalized_next(record: RunRecord, index: int) -> bool:
    for layer in record.layers[index + 1 :]:
        if layer.role == Role.NORMALIZATION:
            return layer.main_path
        if layer.weighted or Trait.MERGE in layer.traits or not _keeps_scale(layer):
            return False
    return False


def _is_station(layer: LayerInfo) -> bool:
    if not layer.main_path:
        return False
    if layer.role == Role.HIDDEN:
        return Trait.LOOKUP not in layer.traits
    if layer.role == Role.NORMALIZATION:  # a batch norm's figures are its neighbours'
        return Trait.BATCH_NORM not in layer.traits
    return Trait.MERGE in layer.traits


def delta_reference(record: RunRecord) -> int | None:
    """Index of the layer whose delta all others are compared with, in verdicts and in reports.

    The last layer that a profile over depth is made of. In a network without one, the last hidden
    layer that is measured, else the last output; None where nothing is measured.
    """
    candidates = stations(record) or record.indices(Role.HIDDEN) or record.indices(Role.OUTPUT)
    return candidates[-1] if candidates else None


def relative_delta(record: RunRecord) -> Floats:
    """Rms of a unit's delta over that of `delta_reference`, [step, layer], of every layer.

    NaN where a figure is missing or not finite, or where the reference is zero.
    """
    delta, reference = _unit_delta(record), delta_reference(record)
    if reference is None:
        return np.full_like(delta, np.nan)
    return _ratio(delta, delta[:, [reference]])


def _unit_delta(record: RunRecord) -> Floats:
    """Rms of the units' deltas, summed in quadrature over their positions, [step, layer]."""
    positions = np.array([layer.positions for layer in record.layers], np.float64)
    return _rms(record.series["delta_second_moment"] * positions)


def rate_per_layer(values: Floats) -> float:
    """Factor by which `values` [layer] change from one layer to the next, in depth order.

    The exponential of the least-squares slope of ln(values) over depth; layers without a positive
    finite value are left out, and NaN comes back when fewer than two remain.
    """
    usable = np.isfinite(values) & (values > 0)
    if np.count_nonzero(usable) < 2:
        return float("nan")
    depth = np.flatnonzero(usable)
    slope, _ = np.polyfit(depth, np.log(values[usable]), 1)
    return float(np.exp(slope))


def _rms(second_moment: Floats) -> Floats:
    finite: Floats = np.where(np.isfinite(second_moment), second_moment, np.nan)
    root: Floats = np.sqrt(finite)
    return root


def _ratio(values: Floats, reference: Floats) -> Floats:
    usable: Floats = np.where(reference > 0, reference, np.nan)
    ratio: Floats = values / usable
    return ratio
