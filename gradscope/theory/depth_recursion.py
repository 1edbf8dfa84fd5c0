"""The profile over depth that a network at initialisation should show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gradscope.record import LayerInfo
from gradscope.theory.batch_norm_rates import after_norm, before_norm, negative_slope
from gradscope.theory.gains import elasticity
from gradscope.theory.gaussian_moments import GaussianMoments, gaussian_moments
from gradscope.theory.prediction import Prediction
from gradscope.theory.scope import Block, OutsideTheoryError, blocks_of

__all__ = ["predict"]

_NAN = math.nan


@dataclass
class _Profile:
    """What the recursion has found so far, one value per hidden layer (delta: last layer first)."""

    q: list[float] = field(default_factory=list)
    m: list[float] = field(default_factory=list)
    delta: list[float] = field(default_factory=list)


def predict(
    layers: Sequence[LayerInfo],
    *,
    input_second_moment: float,
    batch_norm_epsilon: float,
    batch_size: int,
) -> Prediction:
    """Second moments of the signal and of the gradient, layer by layer, at initialisation.

    Forward q_l = n_in v m_(l-1), m_l = E phi(z)^2; backward p_l = E phi'(z)^2 n_out v p_(l+1)
    (He et al. 2015, Schoenholz et al. 2017); dropout r divides m and p by 1 - r; batch norm by
    Yang et al. 2019 for this batch size. `input_second_moment` is E x^2 of what the first Dense
    layer is fed (after a batch norm at the input).
    """
    names = [layer.name for layer in layers if layer.role in ("hidden", "output")]
    try:
        hidden, output = blocks_of(layers, input_second_moment, batch_size)
        profile, assumptions = _profile(
            hidden, output, input_second_moment, batch_norm_epsilon, batch_size
        )
    except OutsideTheoryError as reason:
        return _nothing(tuple(names), str(reason))
    return _prediction(tuple(names), profile, assumptions)


def _profile(
    hidden: list[Block],
    output: Block | None,
    input_second_moment: float,
    epsilon: float,
    batch_size: int,
) -> tuple[_Profile, tuple[str, ...]]:
    placement = hidden[0].normalization
    if placement == "before_activation":
        profile, signal = _norm_before(hidden, input_second_moment, epsilon, batch_size)
    elif placement == "after_activation":
        profile, signal = _norm_after(hidden, input_second_moment, epsilon, batch_size)
    else:
        profile, signal = _plain(hidden, input_second_moment)
    profile.delta.reverse()
    if output is not None:
        q = _checked(output, output.forward * signal)
        profile.q.append(q)
        profile.m.append(_output_second(output, q))
    return profile, _assumptions(hidden, profile, batch_size)


def _checked(block: Block, q: float) -> float:
    if not (1e-290 < q < 1e290):
        raise OutsideTheoryError(f"E z^2 leaves the range of numbers at layer {block.name}")
    return q


def _moments(block: Block, q: float) -> GaussianMoments:
    moments = gaussian_moments(block.activation, _checked(block, q), block.parameters)
    if not (math.isfinite(moments.second) and math.isfinite(moments.derivative_second)):
        raise OutsideTheoryError(
            f"{block.activation} of layer {block.name} has no finite moments at E z^2 = {q:.3g}"
        )
    return moments


def _output_second(block: Block, q: float) -> float:
    return _NAN if block.activation == "softmax" else _moments(block, q).second


def _plain(hidden: list[Block], signal: float) -> tuple[_Profile, float]:
    """Without batch norm: q and m upward, then p downward from 1 at the last hidden layer."""
    profile, slopes = _Profile(), []
    for block in hidden:
        q = block.forward * signal
        moments = _moments(block, q)
        profile.q.append(q)
        profile.m.append(moments.second)
        slopes.append(moments.derivative_second)
        signal = moments.second / block.kept
    delta = 1.0
    profile.delta.append(delta)
    for below, above, slope in _downward(hidden, slopes):
        delta *= above.backward * slope / below.kept
        profile.delta.append(delta)
    return profile, signal


def _downward(hidden: list[Block], facts: list[Any]) -> list[tuple[Block, Block, Any]]:
    """(layer, the layer above it, the layer's facts), from the second last layer down."""
    return list(zip(hidden[:-1], hidden[1:], facts[:-1], strict=True))[::-1]


def _norm_before(
    hidden: list[Block], signal: float, epsilon: float, batch_size: int
) -> tuple[_Profile, float]:
    """Dense -> batch norm -> activation.

    The gradient with respect to a Dense output is orthogonal to the constant vector on the batch,
    so its covariance is alpha (I - 1 1^T / B); `own` and `cross` are the two entries of the
    covariance of the gradient that a layer's activation receives from above.
    """
    profile, b, pair, facts = _Profile(), float(batch_size), 0.0, []
    for block in hidden:
        spread = block.forward * (signal - pair)
        variance = spread * (1.0 - 1.0 / b)
        q = _checked(block, variance / (variance + epsilon))
        norm = before_norm(block.activation, block.parameters, q, batch_size)
        # E 1 / s^2 = B / ((B - 3) spread): s^2 is chi-squared with B - 1 degrees of freedom.
        facts.append((norm, 1.0 / (spread * (b - 3.0) / b + epsilon)))
        profile.q.append(q)
        profile.m.append(norm.second)
        signal, pair = norm.second / block.kept, norm.pair
    norm, inverse = facts[-1]
    own, cross = 1.0, 0.0
    last = norm.derivative_second
    profile.delta.append(1.0)
    for below, above, (norm_below, inverse_below) in _downward(hidden, facts):
        alpha = inverse * ((own - cross) * norm.own + cross * norm.all) / (b - 1.0)
        own = above.backward * alpha * (1.0 - 1.0 / b) / below.kept
        cross = -above.backward * alpha / b
        norm, inverse = norm_below, inverse_below
        profile.delta.append(own * norm.derivative_second / last)
    return profile, signal


def _norm_after(
    hidden: list[Block], signal: float, epsilon: float, batch_size: int
) -> tuple[_Profile, float]:
    """Dense -> activation -> batch norm: z stays normal, its scale set by the norm below.

    The norm's Jacobian removes what all samples share, so only `spread`, the difference of the
    diagonal and the off-diagonal covariance of the gradient, travels on.
    """
    profile, correlation, facts = _Profile(), 0.0, []
    for block in hidden:
        q = block.forward * signal
        moments = _moments(block, q)
        norm = after_norm(
            block.activation,
            block.parameters,
            q,
            correlation=correlation,
            batch_size=batch_size,
            epsilon=epsilon,
        )
        facts.append(norm)
        profile.q.append(q)
        profile.m.append(moments.second)
        signal = norm.second / block.kept
        correlation = -block.kept / (batch_size - 1.0)
    norm, spread = facts[-1], 1.0
    last = norm.own
    profile.delta.append(1.0)
    for below, above, norm_below in _downward(hidden, facts):
        own, cross = above.backward * spread * norm.own, above.backward * spread * norm.pair
        spread, norm = own / below.kept - cross, norm_below
        profile.delta.append(spread * norm.own / last)
    return profile, signal


def _assumptions(hidden: list[Block], profile: _Profile, batch_size: int) -> tuple[str, ...]:
    stated = [
        "widths are large; one network scatters around the prediction",
        "biases are zero",
        "the gradient is independent of the forward weights and spreads evenly over the units",
    ]
    placement = hidden[0].normalization
    if placement is None:
        if _amplification(hidden, profile) > 2.0:
            stated.append(
                "unstable fixed point: chance deviations of a finite width grow with depth, so "
                "the prediction holds for about the first four layers only"
            )
        return tuple(stated)
    stated.append(
        f"batch norm in training mode on batches of {batch_size}, samples alike and "
        "uncorrelated at the input; measured rates lie 2 to 4 % x batch / width higher"
    )
    closed = all(negative_slope(block.activation, block.parameters) is not None for block in hidden)
    if placement == "after_activation" or not closed:
        stated.append("batch-norm rates by numerical averages (fixed draws, about 0.2 % per layer)")
    if batch_size < 16:
        stated.append(
            "below 16 samples per batch the gradient has heavy tails: expect wide scatter"
        )
    if batch_size > min(block.units for block in hidden) / 4:
        stated.append("the batch is not small against the width; the rates are lower bounds")
    return tuple(stated)


def _amplification(hidden: list[Block], profile: _Profile) -> float:
    """By how much a relative deviation of q at the first layer has grown at its largest."""
    largest = factor = 1.0
    for block, q in zip(hidden, profile.q, strict=False):
        factor *= elasticity(block.activation, block.parameters, q)
        largest = max(largest, factor)
    return largest


def _nothing(names: tuple[str, ...], reason: str) -> Prediction:
    q, m, forward, backward, delta = (np.full(len(names), _NAN) for _ in range(5))
    return Prediction(names, q, m, forward, backward, delta, outside=reason)


def _prediction(
    names: tuple[str, ...], profile: _Profile, assumptions: tuple[str, ...]
) -> Prediction:
    count = len(profile.delta)
    q, delta = np.array(profile.q), np.full(len(names), _NAN)
    delta[:count] = profile.delta
    forward, backward = np.full(len(names), _NAN), np.full(len(names), _NAN)
    with np.errstate(divide="ignore", invalid="ignore"):
        forward[1:] = q[1:] / q[:-1]
        backward[: count - 1] = delta[: count - 1] / delta[1:count]
    return Prediction(
        names=names,
        preactivation_second_moment=q,
        activation_second_moment=np.array(profile.m),
        forward_gain=forward,
        backward_gain=backward,
        delta_relative=delta,
        assumptions=assumptions,
    )
