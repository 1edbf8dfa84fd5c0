"""Bands of a network with batch norm and of finite width: bias and variance over initialisations.

Going back through one layer, a unit's share of the gradient is h^T A h with A = D J J^T D, h normal
and independent over samples; a layer of n units adds Var / n. The factor for batches that are not
small against the width was calibrated on simulated networks (ReLU, tanh, SELU; n 64 to 512, B 16
to 64), and so was the excess of the rate over that of infinite width, 2.5 % x B / n on average with
a spread of 1.2 %, by activation and placement (benchmarks/theory_coverage.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.catalog.array_ops import NUMPY_OPS
from gradscope.record import Normalization
from gradscope.theory.batch_norm.rates import standard_draws
from gradscope.theory.moments.gaussian_moments import require_activation
from gradscope.theory.prediction import Band
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block

__all__ = ["with_bands"]

Floats = npt.NDArray[np.float64]
Frozen = tuple[tuple[str, Any], ...]

_EXCESS, _EXCESS_SPREAD = 0.025, 0.012
"""Mean and spread of ln(rate / rate at infinite width) per layer over B / n. Calibration: above."""

_CROWDING = 2.0
"""Growth of a layer's variance with B / n: times 1 + 2 B / n. Calibration: above."""

_HEAD_SPREAD = 0.03
"""Spread of ln E delta^2 that the errors of a softmax add, since those of one class are alike.
Calibration: above."""

_UNITS = 2048
"""Units of the fixed draws behind the relative variance of a unit: good to 1 / sqrt(2048) = 2 %."""

_EXACT = 1e-3
"""Smallest standard deviation of ln E z^2. Batch norm sets E z^2 exactly, and the band is as wide
as the formula is good."""

_VARIANCE_FLOOR = 1e-12
"""Added to a unit's variance over the batch: a ReLU unit may be 0 for every sample of the draw."""


def with_bands(
    profile: Profile, hidden: Sequence[Block], batch_size: int, norm_variation: float
) -> Profile:
    """The profile with bands of E z^2 (hidden layers only) and of the relative E delta^2."""
    return replace(
        profile,
        signal_band=_signal(profile, hidden, batch_size, norm_variation),
        delta_band=_delta(profile, hidden, batch_size),
    )


def _signal(
    profile: Profile, hidden: Sequence[Block], batch_size: int, norm_variation: float
) -> Band:
    """A norm before the activation sets E z^2; one after it leaves the scatter of the weights."""
    deviations = np.full(len(hidden), _EXACT)
    if hidden[0].normalization == Normalization.AFTER_ACTIVATION:
        for i, block in enumerate(hidden):
            # Mean square correlation of two samples: the part that n units leave random.
            chance = profile.correlation[i] ** 2 + 2.0 / block.fan_in
            pooled = (1.0 + (batch_size - 1.0) * chance) / batch_size
            variance = 2.0 * pooled / block.units + (
                norm_variation**2 / batch_size if i == 0 else 0
            )
            deviations[i] = math.sqrt(variance + _EXACT**2)
    return Band(np.log(profile.q) - 0.5 * deviations**2, deviations)


def _delta(profile: Profile, hidden: Sequence[Block], batch_size: int) -> Band:
    count = len(hidden)
    variance, excess, spread = np.zeros(count), np.zeros(count), np.zeros(count)
    for i in range(count - 2, -1, -1):
        block = hidden[i + 1]
        crowding = batch_size / block.units
        added = unit_scatter(block, float(profile.q[i + 1]), batch_size) / block.units
        variance[i] = variance[i + 1] + added * (1.0 + _CROWDING * crowding)
        excess[i] = excess[i + 1] + _EXCESS * crowding
        spread[i] = spread[i + 1] + _EXCESS_SPREAD * crowding
    centre = np.log(profile.delta) + excess - 0.5 * variance
    spread[:-1] += _HEAD_SPREAD
    return Band(centre, np.sqrt(variance + spread**2))


def unit_scatter(block: Block, q: float, batch_size: int) -> float:
    """Relative variance over units of a unit's contribution to the gradient of the layer below."""
    entry = require_activation(block.activation)
    before = block.normalization == Normalization.BEFORE_ACTIVATION
    return _unit_scatter(
        entry.name, entry.cache_key(block.parameters), float(f"{q:.6g}"), batch_size, before
    )


@lru_cache(maxsize=256)
def _unit_scatter(name: str, parameters: Frozen, q: float, batch_size: int, before: bool) -> float:
    entry = require_activation(name)
    draws = standard_draws(batch_size)[:_UNITS]
    centred = draws - draws.mean(axis=1, keepdims=True)
    hat = centred / np.sqrt(np.mean(centred**2, axis=1, keepdims=True))
    z = math.sqrt(q) * (hat if before else draws)
    d = np.asarray(entry.derivative(z, NUMPY_OPS, **dict(parameters)))
    tails = 1.0
    weights = np.ones(len(draws))
    if before:
        # 1 / s^2 with s^2 chi-squared of B - 1 degrees of freedom.
        tails = (batch_size - 3.0) / (batch_size - 5.0)
    else:
        value = np.asarray(entry.value(z, NUMPY_OPS, **dict(parameters)))
        centred = value - value.mean(axis=1, keepdims=True)
        variance = np.mean(centred**2, axis=1, keepdims=True) + _VARIANCE_FLOOR
        hat = centred / np.sqrt(variance)
        weights = 1.0 / variance[:, 0]
    trace, square = _traces(d, hat)
    mean = float(np.mean(weights * trace))
    return tails * float(np.mean(weights**2 * (trace**2 + 2.0 * square))) / mean**2 - 1.0


def _traces(d: Floats, hat: Floats) -> tuple[Floats, Floats]:
    """tr A and tr A^2 per unit for A = D (I - 1 1^T / B - hat hat^T / B) D."""
    b = float(d.shape[1])
    w = d * hat
    squares, products = np.sum(d**2, axis=1), np.sum(w**2, axis=1)
    trace = squares - (squares + products) / b
    square = np.sum(d**4, axis=1) * (1.0 - 2.0 / b) - 2.0 / b * np.sum(d**2 * w**2, axis=1)
    square += (squares**2 + products**2 + 2.0 * np.sum(d * w, axis=1) ** 2) / b**2
    return trace, square
