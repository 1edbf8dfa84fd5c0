"""The depth recursion: second moments layer by layer at initialisation, and their bands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from gradscope.record import LayerInfo
from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.batch_norm.finite_width import with_bands
from gradscope.theory.batch_norm.recursion import norm_after_profile, norm_before_profile
from gradscope.theory.moments.gaussian_moments import gaussian_moments
from gradscope.theory.plain.finite_width import finite_width_bands
from gradscope.theory.plain.recursion import plain_network
from gradscope.theory.prediction import Band, Prediction
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block, OutsideTheoryError, dense_blocks, in_range
from gradscope.theory.validity import reason_without_band, stated_assumptions

__all__ = ["DepthRecursion", "depth_recursion", "outside_theory", "predict"]

_NAN = math.nan


@dataclass(frozen=True)
class DepthRecursion:
    """A prediction with the blocks and the profile behind it; these are empty outside theory."""

    prediction: Prediction
    hidden: tuple[Block, ...] = ()
    output: Block | None = None
    profile: Profile | None = None


def predict(
    layers: Sequence[LayerInfo],
    *,
    input_second_moment: float,
    batch_norm_epsilon: float,
    batch_size: int,
    geometry: SampleGeometry | None = None,
) -> Prediction:
    """Second moments of the signal and of the gradient, layer by layer, at initialisation.

    Forward q_l = n_in v m_(l-1) + v_b, m_l = E phi(z)^2; backward p_l = E phi'(z)^2 n_out v p_(l+1)
    (He et al. 2015, Schoenholz et al. 2017); dropout r divides m and p by 1 - r; batch norm by
    Yang et al. 2019 for this batch size. `input_second_moment` is E x^2 of the input of the first
    Dense layer (after a batch norm at the input); `geometry` says how the samples differ, without
    it they have equal norms and no correlation. Bands hold for a mean over a batch of `batch_size`.
    """
    geometry = geometry or SampleGeometry(input_second_moment)
    return depth_recursion(layers, geometry, batch_norm_epsilon, batch_size).prediction


def depth_recursion(
    layers: Sequence[LayerInfo],
    geometry: SampleGeometry,
    batch_norm_epsilon: float,
    batch_size: int,
) -> DepthRecursion:
    """`predict`, with the blocks and the profile behind the prediction."""
    names = tuple(layer.name for layer in layers if layer.weighted)
    try:
        hidden, output = dense_blocks(layers, geometry.second_moment, batch_size)
        profile = _profile(hidden, output, geometry, batch_norm_epsilon, batch_size)
        q_output = _output_signal(output, profile) if output is not None else None
    except OutsideTheoryError as reason:
        return DepthRecursion(outside_theory(names, str(reason)))
    no_band = reason_without_band(hidden, profile, geometry, batch_size)
    if no_band:
        profile = replace(profile, signal_band=None, activation_band=None, delta_band=None)
    prediction = replace(
        _prediction(names, profile, output, q_output),
        assumptions=stated_assumptions(hidden, geometry, batch_size),
        no_band=no_band,
    )
    return DepthRecursion(prediction, tuple(hidden), output, profile)


def _profile(
    hidden: list[Block],
    output: Block | None,
    geometry: SampleGeometry,
    epsilon: float,
    batch_size: int,
) -> Profile:
    placement = hidden[0].normalization
    if placement is not None:
        before = placement == "before_activation"
        profile_of = norm_before_profile if before else norm_after_profile
        profile = profile_of(hidden, geometry, epsilon, batch_size)
        return with_bands(profile, hidden, batch_size, geometry.norm_variation)
    return _plain_profile(hidden, output, geometry, batch_size)


def _plain_profile(
    hidden: list[Block], output: Block | None, geometry: SampleGeometry, batch_size: int
) -> Profile:
    network = plain_network(hidden, output, geometry, batch_size)
    batch, steps, bands = network.batch, network.steps, finite_width_bands(network)
    delta = np.array([batch.over_samples(delta) for delta in network.deltas])
    return Profile(
        q=np.array([step.scale + step.block.bias_mean**2 for step in steps]),
        m=np.array([step.second for step in steps]),
        mean=np.array([batch.over_samples(step.moments.mean) for step in steps]),
        delta=delta / delta[-1],
        kernel=network.kernel_gradients(),
        correlation=np.array([batch.over_pairs(step.correlation) for step in steps]),
        output_input=network.output_input,
        sample_shares=batch.sample_shares,
        last_slope=steps[-1].derivative_second / steps[-1].block.kept,
        signal_band=bands.signal,
        activation_band=bands.activation,
        delta_band=bands.delta,
    )


def _output_signal(output: Block, profile: Profile) -> float:
    variance = (
        output.forward * float(profile.output_input @ profile.sample_shares) + output.bias_variance
    )
    return in_range(output, variance + output.bias_mean**2)


def outside_theory(names: tuple[str, ...], reason: str) -> Prediction:
    """The prediction for layers of which nothing is known, and why."""
    missing = np.full(len(names), _NAN)
    return Prediction(
        names=names,
        preactivation_second_moment=missing,
        activation_second_moment=missing,
        forward_gain=missing,
        backward_gain=missing,
        delta_relative=missing,
        outside=reason,
        activation_variance=missing,
        kernel_gradient_relative=missing,
    )


def _prediction(
    names: tuple[str, ...], profile: Profile, output: Block | None, q_output: float | None
) -> Prediction:
    count = len(profile.q)
    missing = np.full(len(names) - count, _NAN)
    q = profile.q if q_output is None else np.append(profile.q, q_output)
    second, mean = missing, missing
    if output is not None and q_output is not None and output.activation != "softmax":
        moments = gaussian_moments(output.activation, q_output, output.parameters)
        second, mean = np.array([moments.second]), np.array([moments.mean])
    delta = np.concatenate([profile.delta, missing])
    forward, backward = np.full(len(names), _NAN), np.full(len(names), _NAN)
    with np.errstate(divide="ignore", invalid="ignore"):
        forward[1:] = q[1:] / q[:-1]
        backward[: count - 1] = delta[: count - 1] / delta[1:count]
    activation = np.concatenate([profile.m, second])
    return Prediction(
        names=names,
        preactivation_second_moment=q,
        activation_second_moment=activation,
        forward_gain=forward,
        backward_gain=backward,
        delta_relative=delta,
        activation_variance=activation - np.concatenate([profile.mean, mean]) ** 2,
        kernel_gradient_relative=np.concatenate([profile.kernel, missing]),
        preactivation_band=_extended(profile.signal_band, len(names)),
        activation_band=_extended(profile.activation_band, len(names)),
        delta_band=_extended(profile.delta_band, len(names)),
    )


def _extended(band: Band | None, count: int) -> Band | None:
    """The band with NaN for the layers at the end that it does not reach."""
    if band is None:
        return None
    missing = np.full(count - len(band.centre), _NAN)
    return Band(np.concatenate([band.centre, missing]), np.concatenate([band.deviation, missing]))
