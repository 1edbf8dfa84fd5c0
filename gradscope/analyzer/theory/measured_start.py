"""Why a profile over depth leaves its band, by the weights at step 0; for use outside theory."""

from __future__ import annotations

import math

import numpy as np

from gradscope.catalog.activations import find_activation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import Action, LayerInfo, Remedy, Role, RunRecord, Trait
from gradscope.record.remedies import change_settings
from gradscope.theory.moments.gains import weight_gains

USUAL = 1.3
"""Factor on the standard deviation of the weights up to which they count as the paired ones: over
ten layers it makes 14, far from the 1000 at which a verdict falls."""


def explanation(record: RunRecord) -> tuple[str, tuple[Remedy, ...]]:
    """Cause and remedies from the initial weights; "" and () if they explain nothing.

    Compared are fan_in E w^2 as measured at step 0 and as given by the initializer that the layer's
    activation is paired with.
    """
    ratios = _ratios(record)
    if not ratios:
        return "", ()
    times = float(np.median([ratio for _, ratio in ratios]))
    layer = min(ratios, key=lambda item: abs(math.log(item[1] / times)))[0]
    entry = find_activation(str(layer.activation))
    assert entry is not None  # or nothing was compared
    if not 1.0 / USUAL < times < USUAL:
        return (
            f"The weights start {times:.2g} times as large (rms) as those {entry.name} is paired "
            f"with ({entry.initializer}).",
            (change_settings(("model.initializer", entry.initializer)),),
        )
    bound = entry.derivative_bound(**layer.activation_parameters)
    if bound < 1.0:
        return (
            f"The weights start as large as is usual for {entry.name}: it is the activation, whose "
            f"derivative is at most {bound:.3g}.",
            (change_settings(("model.activation", "relu"), ("model.initializer", "he_normal")),),
        )
    return (
        f"The weights start as large as is usual for {entry.name}.",
        _missing_parts(record),
    )


def larger_than_usual(record: RunRecord) -> tuple[str, tuple[Remedy, ...]]:
    """`explanation`, where the weights start larger than the paired initializer's.

    Smaller ones are no reason for answers that are too sure.
    """
    ratios = [times for _, times in _ratios(record)]
    if not ratios or not float(np.median(ratios)) >= USUAL:
        return "", ()
    return explanation(record)


def _missing_parts(record: RunRecord) -> tuple[Remedy, ...]:
    """Skip connections and normalization, where the network has none of its own."""
    normed = any(layer.role == Role.NORMALIZATION for layer in record.layers)
    if record.branches:
        return () if normed else (Remedy(Action.NORMALIZE_BRANCHES),)
    skips, norms = Remedy(Action.ADD_SKIP_CONNECTIONS), Remedy(Action.ADD_NORMALIZATION)
    return (skips,) if normed else (skips, norms)


def _ratios(record: RunRecord) -> list[tuple[LayerInfo, float]]:
    """The rms of the weights of each hidden layer, times the paired initializer's, if known."""
    return [
        (layer, math.sqrt(times))
        for layer in (record.layers[i] for i in record.indices(Role.HIDDEN))
        if (times := _times_the_usual(record, layer)) > 0
    ]


def _times_the_usual(record: RunRecord, layer: LayerInfo) -> float:
    """Variance of the layer's weights over that of the paired initializer; 0 where it is not known.

    Weights behind a normalization do not set the signal's size.
    """
    entry = find_activation(str(layer.activation))
    linear = Trait.LINEAR_KERNEL in layer.traits and not layer.normalization
    plain = layer.fan_in and layer.fan_out and linear
    if entry is None or not plain or not len(record.steps) or record.steps[0] != 0:
        return 0.0
    fan_in, fan_out = int(layer.fan_in or 1), int(layer.fan_out or 1)
    started = float(record.series["weight_second_moment"][0, layer.index])
    paired = INITIALIZERS[entry.initializer].complete({})
    usual = weight_gains(entry.initializer, paired, fan_in, fan_out).forward
    return fan_in * started / usual if math.isfinite(started) and usual > 0 else 0.0
