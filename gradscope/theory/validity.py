"""Where the figures stand but no band can be promised; what every prediction takes for granted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.moments.gaussian_moments import gaussian_moments, negative_slope
from gradscope.theory.moments.moment_table import moment_table
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block

__all__ = ["assumptions_of", "no_band_because"]

LARGEST_AMPLIFICATION = 2.0
"""Growth of a chance deviation of q over depth from which first order in 1 / n does not do."""

SMALLEST_BAND_BATCH = 16
"""Below it the gradient through batch norm has tails that no normal law of logarithms describes
(1 / s^2 of a chi-squared variable with B - 1 degrees of freedom)."""

LARGEST_CROWDING = 0.25
"""B / n up to which the rate of batch norm is that of infinite width to about 1 %."""

LARGEST_NORM_VARIATION = 0.5
"""Coefficient of variation of the samples' norms beyond which batch norm is not that of samples
alike (Yang et al. 2019 assume equal norms)."""

LARGEST_DEVIATION = 1.5
"""Standard deviation of a figure's logarithm beyond which first order in 1 / n does not do."""


def no_band_because(
    hidden: Sequence[Block], profile: Profile, geometry: SampleGeometry, batch_size: int
) -> str:
    """Why the figures are no more than those of infinite width; empty where they have a band."""
    if hidden[0].normalization is not None:
        return _norm_because(hidden, geometry, batch_size)
    amplification = _amplification(hidden, profile)
    if amplification > LARGEST_AMPLIFICATION:
        return (
            f"unstable fixed point of {hidden[-1].activation}: a chance deviation of the signal "
            f"grows x{amplification:.3g} over these layers, so the figures hold for about the "
            "first four layers only"
        )
    if _critical(hidden, profile):
        return (
            f"{hidden[-1].activation} at criticality: signal and gradient follow power laws of "
            "depth, not exponentials, and deviations of order 1 / width add up to them"
        )
    bands = (profile.signal_band, profile.delta_band)
    widest = max(float(band.deviation.max()) for band in bands if band is not None)
    if not widest < LARGEST_DEVIATION:
        return (
            f"depth against width: ln of a second moment scatters by {widest:.3g} from seed to "
            "seed, too much for a law of first order in 1 / width"
        )
    return ""


def _norm_because(hidden: Sequence[Block], geometry: SampleGeometry, batch_size: int) -> str:
    narrowest = min(block.units for block in hidden)
    if batch_size < SMALLEST_BAND_BATCH:
        return (
            f"batch norm on {batch_size} samples: below {SMALLEST_BAND_BATCH} the gradient's "
            "scatter is ruled by rare batches"
        )
    if batch_size > LARGEST_CROWDING * narrowest:
        return (
            f"batch norm on {batch_size} samples in layers of {narrowest} units: the rates are "
            "those of batches much smaller than the width (at most a quarter of it)"
        )
    if geometry.norm_variation > LARGEST_NORM_VARIATION:
        return (
            "batch norm on samples of very different norm (coefficient of variation "
            f"{geometry.norm_variation:.2g}): the rates are those of samples alike"
        )
    growth = max(norm_instability(block, _inner(block)) for block in hidden)
    if growth > 1.0 + 1e-3:
        return (
            f"batch norm with {hidden[-1].activation}: differences between samples' norms grow "
            f"x{growth:.3g} per layer, and the rates are those of samples alike"
        )
    return ""


def _inner(block: Block) -> float:
    """E z^2 inside a network with batch norm."""
    return 1.0 if block.normalization == "before_activation" else block.forward


def norm_instability(block: Block, q: float) -> float:
    """Factor per layer on the difference of two samples' norms under batch norm, B -> infinity.

    (d/dq)(E phi^2) q - 2 E phi q (d/dq) E phi, over Var phi: above 1 samples do not stay alike.
    """
    step = 1e-4
    above = gaussian_moments(block.activation, q * (1.0 + step), block.parameters)
    below = gaussian_moments(block.activation, q * (1.0 - step), block.parameters)
    at = gaussian_moments(block.activation, q, block.parameters)
    second = (above.second - below.second) / (2.0 * step)
    mean = (above.mean - below.mean) / (2.0 * step)
    return (second - 2.0 * at.mean * mean) / at.variance


def _amplification(hidden: Sequence[Block], profile: Profile) -> float:
    """By how much a relative deviation of q at some layer has grown at its largest."""
    largest = factor = 1.0
    for block, q in zip(hidden, profile.q, strict=True):
        variance = float(q) - block.bias_mean**2
        weighted = 1.0 - block.bias_variance / variance
        table = moment_table(block.activation, block.parameters, block.bias_mean)
        elasticity = float(table.at(np.array([variance])).slope[0])
        factor = max(1.0, factor * weighted * elasticity)
        largest = max(largest, factor)
    return largest


def _critical(hidden: Sequence[Block], profile: Profile) -> bool:
    """Whether an activation that bends loses signal so slowly that depth does not show its rate.

    phi(0) = 0 without bias and sigma_w^2 phi'(0)^2 within 1 / depth of 1: then q falls as a power
    of depth (tanh: 1 / (2 l)), not as an exponential. Straight lines and ReLUs keep their own law.
    """
    last = hidden[-1]
    if negative_slope(last.activation, last.parameters) is not None or len(hidden) < 3:
        return False
    if last.bias_mean or last.bias_variance:
        return False
    small = gaussian_moments(last.activation, 1e-12, last.parameters)
    if not (0.0 < small.second < 1e-11):
        return False
    rate = last.forward * small.second * 1e12 / last.kept
    return abs(math.log(rate)) < 1.0 / len(hidden)


def assumptions_of(
    hidden: Sequence[Block], geometry: SampleGeometry, batch_size: int
) -> tuple[str, ...]:
    """What was taken for granted, in sentences for the reader."""
    stated = ["wide layers, weights drawn independently, the gradient as if independent of them"]
    if any(block.bias_mean or block.bias_variance for block in hidden):
        stated.append("biases as their initializers draw them, as if from a normal law")
    else:
        stated.append("biases start at zero")
    if geometry.samples == 0 and len(geometry.norms) == 1:
        stated.append("samples of equal norm, uncorrelated")
    placement = hidden[0].normalization
    if placement is None:
        return tuple(stated)
    stated.append(
        f"at initialisation, batch norm in training mode on batches of {batch_size}, samples alike "
        "and uncorrelated; measured rates lie 1 to 4 % x batch / width higher"
    )
    closed = all(negative_slope(block.activation, block.parameters) is not None for block in hidden)
    if placement == "after_activation" or not closed:
        stated.append("batch-norm rates by numerical averages (fixed draws, about 0.2 % per layer)")
    return tuple(stated)
