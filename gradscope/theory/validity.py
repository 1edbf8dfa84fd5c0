"""Reasons why a prediction has no band, and the assumptions of every prediction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from gradscope.record import Normalization
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.moments.gaussian_moments import gaussian_moments, negative_slope
from gradscope.theory.moments.moment_table import moment_table
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block

__all__ = ["reason_without_band", "stated_assumptions"]

LARGEST_AMPLIFICATION = 2.0
"""Growth of a random deviation of q over depth beyond which terms of second order in 1 / n count: a
deviation of 10 % becomes 20 %, its square 4 %."""

SMALLEST_BAND_BATCH = 16
"""Below it 1 / s^2, s^2 chi-squared with B - 1 degrees of freedom, has tails too heavy for the
normal law of logarithms that a band assumes."""

LARGEST_CROWDING = 0.25
"""B / n up to which the rate of batch norm is that of infinite width to about 1 %."""

LARGEST_NORM_VARIATION = 0.5
"""Coefficient of variation of the samples' norms beyond which batch norm is not that of samples
alike (Yang et al. 2019 assume equal norms)."""

_GROWTH_TOLERANCE = 1e-3
"""Growth per layer of differences between samples' norms that counts as none: linear and ReLU have
exactly 1, finite differences add rounding, and 900 layers make 1.001 no more than 2.5."""

_SMALL_SIGNAL = 1e-12
"""E z^2 small enough for E phi^2 / q to be phi'(0)^2, to about 1e-6."""

LARGEST_DEVIATION = 1.5
"""Standard deviation of a figure's logarithm beyond which its normal law fails: the mean is then
exp(1.5^2 / 2) = 3 times the median."""


def reason_without_band(
    hidden: Sequence[Block], profile: Profile, geometry: SampleGeometry, batch_size: int
) -> str:
    """The reason why the figures have no band; empty where they have one."""
    if hidden[0].normalization is not None:
        return _reason_with_batch_norm(hidden, geometry, batch_size)
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


def _reason_with_batch_norm(
    hidden: Sequence[Block], geometry: SampleGeometry, batch_size: int
) -> str:
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
    if growth > 1.0 + _GROWTH_TOLERANCE:
        return (
            f"batch norm with {hidden[-1].activation}: differences between samples' norms grow "
            f"x{growth:.3g} per layer, and the rates are those of samples alike"
        )
    return ""


def _inner(block: Block) -> float:
    """E z^2 inside a network with batch norm."""
    return 1.0 if block.normalization == Normalization.BEFORE_ACTIVATION else block.forward


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
    """Largest growth over depth of a relative deviation of q that starts at some layer."""
    largest = factor = 1.0
    for block, q in zip(hidden, profile.q, strict=True):
        variance = float(q) - block.bias_mean**2
        weighted = 1.0 - block.bias_variance / variance
        table = moment_table(block.activation, block.parameters, block.bias_mean)
        elasticity = float(table.moments(np.array([variance])).slope[0])
        factor = max(1.0, factor * weighted * elasticity)
        largest = max(largest, factor)
    return largest


def _critical(hidden: Sequence[Block], profile: Profile) -> bool:
    """Whether a curved activation loses signal by a power law of depth instead of an exponential.

    phi(0) = 0 without bias and sigma_w^2 phi'(0)^2 within 1 / depth of 1: then q falls as a power
    of depth (tanh: 1 / (2 l)), not as an exponential. Straight lines and ReLUs keep their own law.
    """
    last = hidden[-1]
    if negative_slope(last.activation, last.parameters) is not None or len(hidden) < 3:
        return False
    if last.bias_mean or last.bias_variance:
        return False
    small = gaussian_moments(last.activation, _SMALL_SIGNAL, last.parameters)
    if not (0.0 < small.second < 10.0 * _SMALL_SIGNAL):
        return False  # phi(0) is not 0, or phi'(0) is
    rate = last.forward * small.second / _SMALL_SIGNAL / last.kept
    return abs(math.log(rate)) < 1.0 / len(hidden)


def stated_assumptions(
    hidden: Sequence[Block], geometry: SampleGeometry, batch_size: int
) -> tuple[str, ...]:
    """The assumptions of a prediction, in sentences."""
    sentences = ["wide layers, weights drawn independently, the gradient as if independent of them"]
    if any(block.bias_mean or block.bias_variance for block in hidden):
        sentences.append("biases as their initializers draw them, as if from a normal law")
    else:
        sentences.append("biases start at zero")
    if geometry.samples == 0 and len(geometry.norms) == 1:
        sentences.append("samples of equal norm, uncorrelated")
    placement = hidden[0].normalization
    if placement is None:
        return tuple(sentences)
    sentences.append(
        f"at initialisation, batch norm in training mode on batches of {batch_size}, samples alike "
        "and uncorrelated; measured rates lie 1 to 4 % x batch / width higher"
    )
    closed = all(negative_slope(block.activation, block.parameters) is not None for block in hidden)
    if placement == "after_activation" or not closed:
        sentences.append(
            "batch-norm rates by numerical averages (fixed draws, about 0.2 % per layer)"
        )
    return tuple(sentences)
