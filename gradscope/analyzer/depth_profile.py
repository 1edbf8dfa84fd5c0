"""How signal and gradient change from layer to layer, as ratios."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.record import RunRecord
from gradscope.record.run_record import Floats


@dataclass(frozen=True)
class DepthProfile:
    """The hidden layers' signal and delta over depth, at every recorded step.

    `signal` and `delta` are root mean squares [step, hidden layer]; `signal_relative` is over the
    first hidden layer's, `delta_relative` over the last hidden layer's (the output layer's own
    delta does not count: a softmax head drops it once, by its geometry). NaN where a figure is
    missing or not finite, or where the reference is zero.
    """

    names: tuple[str, ...]
    indices: tuple[int, ...]
    signal: Floats
    delta: Floats
    signal_relative: Floats
    delta_relative: Floats


def of(record: RunRecord) -> DepthProfile:
    """Give the depth profile of a record's hidden layers."""
    indices = record.indices("hidden")
    columns = list(indices)
    signal = _rms(record.series["preactivation_second_moment"][:, columns])
    delta = _rms(record.series["delta_second_moment"][:, columns])
    return DepthProfile(
        names=tuple(record.layers[i].name for i in indices),
        indices=indices,
        signal=signal,
        delta=delta,
        signal_relative=_ratio(signal, signal[:, :1]),
        delta_relative=_ratio(delta, delta[:, -1:]),
    )


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
