"""How large the features are that the first layer with weights is fed."""

from __future__ import annotations

import math

from gradscope.record import Role, RunRecord, Trait

LARGE, SMALL = 10.0, 0.01
"""Rms of the features beyond which they are unscaled, the thresholds of `unscaled_input`."""


def fed_rms(record: RunRecord) -> tuple[float, ...]:
    """Finite estimates of the rms of the features as they are fed, the data's own first.

    The data's, and that of z over sqrt(fan_in) times the kernel's at step 0: what the model itself
    does to the features before that layer counts. Empty where neither is known.
    """
    first = min(record.indices(Role.HIDDEN, Role.OUTPUT), default=0)
    estimates = (record.data.second_moment**0.5, _rms_by_preactivation(record, first))
    return tuple(rms for rms in estimates if math.isfinite(rms))


def measured_rms(record: RunRecord) -> tuple[float, ...]:
    """The estimate by z alone, which holds behind a layer that scales; empty if not known."""
    first = min(record.indices(Role.HIDDEN, Role.OUTPUT), default=0)
    rms = _rms_by_preactivation(record, first)
    return (rms,) if math.isfinite(rms) else ()


def are_large(record: RunRecord) -> bool:
    """Whether every estimate is above `LARGE`, as raw pixels are."""
    return min(fed_rms(record), default=0.0) > LARGE


def _rms_by_preactivation(record: RunRecord, first: int) -> float:
    """Rms of what the first layer is fed, by its z at step 0; NaN where that does not tell."""
    if not len(record.steps) or record.steps[0] != 0 or not record.layers:
        return math.nan
    layer = record.layers[first]
    z = float(record.series["preactivation_second_moment"][0, first])
    weight = float(record.series["weight_second_moment"][0, first])
    plain = layer.fan_in and layer.bias_initializer in (None, "zeros")
    if not plain or Trait.LINEAR_KERNEL not in layer.traits or not weight > 0:
        return math.nan
    return math.sqrt(z / (int(layer.fan_in or 1) * weight))
