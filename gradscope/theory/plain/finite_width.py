"""Bands of a plain network of finite width: bias and variance over initialisations.

A layer of n units adds a relative variance to a mean over a batch: 1 / n times the mean, over the
pairs of samples, of the covariance of phi^2 (forward) or of phi'^2 h^2 with h normal (backward).
For one sample and ReLU that is kappa / n with kappa = E phi^4 / (E phi^2)^2 - 1 = 5 (Hanin & Nica
2020, arXiv:1812.05994); 3 for orthogonal weights, which fix the sums of z_a z_b.

Forward, a deviation is passed on with the elasticity of E phi^2 (Roberts, Yaida & Hanin 2022,
section 5). Backward, it is passed on unchanged, and forward deviations act on phi' as well. The
part of the error along the logits lies in the direction of the signal, where phi' passes more of it
than of the rest. All terms are of first order in 1 / n; the logarithms are then close to normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.theory.output.error_cosines import logit_aligned_share
from gradscope.theory.plain.recursion import Network, Preactivation, Step
from gradscope.theory.prediction import Band

__all__ = ["Bands", "finite_width_bands"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """`signal` of E z^2 (hidden layers, then output), `activation` of E a^2, `delta` of E delta^2
    over the last hidden layer's."""

    signal: Band
    activation: Band
    delta: Band


@dataclass(frozen=True)
class _Scatter:
    """Relative variance over initialisations of a layer's variance of z.

    `one_sample` is that of one sample, `pairs` [pair] the covariance of two, `batch` that of the
    mean over the batch. `bias` is the relative distance of the mean over initialisations from
    infinite width.
    """

    one_sample: float
    pairs: Floats
    batch: float
    bias: float


@dataclass(frozen=True)
class _Response:
    """Change of E phi^2 and E phi'^2 over the samples for a relative change of all variances.

    `slope` is the derivative with respect to ln q, `curvature` q^2 times the second derivative with
    respect to q, both over the average itself.
    """

    slope: float
    curvature: float
    derivative_slope: float
    derivative_curvature: float


def _response(step: Step, network: Network) -> _Response:
    def mean(values: Floats, weights: Floats) -> float:
        over = network.batch.over_samples
        return over(values * weights) / over(weights)

    moments = step.moments
    return _Response(
        mean(moments.slope, moments.second),
        mean(moments.curvature, moments.second),
        mean(moments.derivative_slope, moments.derivative_second),
        mean(moments.derivative_curvature, moments.derivative_second),
    )


def finite_width_bands(network: Network) -> Bands:
    """Bands of a plain network's figures over seeds, for means over one batch."""
    responses = [_response(step, network) for step in network.steps]
    scatters = _scatters(network, responses)
    signal = [
        _signal(network, step, scatter)
        for step, scatter in zip(network.steps, scatters, strict=False)
    ]
    if network.output is not None:
        signal.append(_signal(network, network.output, scatters[-1]))
    activation = [
        _activation(network, step, response, scatter)
        for step, response, scatter in zip(network.steps, responses, scatters, strict=False)
    ]
    return Bands(_band(signal), _band(activation), _delta(network, responses, scatters))


def _band(figures: list[tuple[float, float]]) -> Band:
    """The band from (mean of the logarithm, its variance) per layer."""
    centre, variance = (np.array(values) for values in zip(*figures, strict=True))
    return Band(centre, np.sqrt(np.maximum(variance, 0.0)))


def _scatters(network: Network, responses: list[_Response]) -> list[_Scatter]:
    """One entry per hidden layer, and one for the layer above the last."""
    batch, steps = network.batch, network.steps
    one_sample, pairs, bias = 0.0, np.zeros(len(batch.cosines)), 0.0

    def scatter(weights: Floats) -> _Scatter:
        # First-order terms of samples with negative correlation may overshoot 0.
        mean = max(0.0, batch.over_all_pairs(one_sample, pairs, weights))
        return _Scatter(one_sample, pairs, mean, bias)

    scatters = []
    for i, (step, response) in enumerate(zip(steps, responses, strict=True)):
        scatters.append(scatter(step.variance))
        above = steps[i + 1] if i + 1 < len(steps) else network.output
        weight = above.weight_share if above is not None else 1.0
        bias = weight * (response.slope * bias + _curvature_shift(step, response, one_sample))
        added, added_pairs = _unit_scatter(step)
        one_sample = weight**2 * (response.slope**2 * one_sample + added)
        pairs = weight**2 * (response.slope**2 * pairs + added_pairs)
    weights = batch.norms if network.output is None else network.output.variance
    return [*scatters, scatter(weights)]


def _curvature_shift(step: Step, response: _Response, one_sample: float) -> float:
    """Shift of the mean of E phi^2 by its curvature in q; orthogonal weights fix a part of it."""
    return 0.5 * response.curvature * (one_sample - 2.0 * step.fixed_forward / step.block.units)


def _signal(
    network: Network, layer: Step | Preactivation, scatter: _Scatter
) -> tuple[float, float]:
    """Mean and variance of ln E z^2."""
    batch, block = network.batch, layer.block
    bias_square = block.bias_mean**2
    second_moment = layer.scale + bias_square
    # z^2 is the square of the bias's mean and a part that scatters.
    share = layer.scale / second_moment
    fixed = min(1.0, block.fan_out / block.fan_in) if block.orthogonal else 0.0
    squares = 2.0 * (1.0 - fixed) * share**2
    products = 4.0 * bias_square * layer.scale / second_moment**2
    pairs = squares * (layer.correlation**2 + layer.correlation_variance)
    pairs = pairs + products * layer.correlation
    variance = share**2 * scatter.batch
    variance += batch.over_all_pairs(squares + products, pairs, layer.variance) / block.units
    variance += batch.log_mean_variance(layer.variance + bias_square)
    return math.log(second_moment) + share * scatter.bias - 0.5 * variance, variance


def _activation(
    network: Network, step: Step, response: _Response, scatter: _Scatter
) -> tuple[float, float]:
    """Mean and variance of ln E a^2, before dropout."""
    batch = network.batch
    variance = response.slope**2 * scatter.batch
    variance += batch.over_all_pairs(*_unit_scatter(step, dropped=False), step.moments.second)
    variance += batch.log_mean_variance(step.moments.second)
    bias = response.slope * scatter.bias + _curvature_shift(step, response, scatter.one_sample)
    return math.log(step.second) + bias - 0.5 * variance, variance


def _delta(network: Network, responses: list[_Response], scatters: list[_Scatter]) -> Band:
    """Band of E delta^2 over the last hidden layer's.

    The loop goes from the last layer down. `backward` sums the variance that phi'^2 h^2 of each
    layer's units adds. `sensitivity` is the derivative of the ln phi'^2 passed so far with respect
    to ln q of the current layer; `forward` sums the variance that forward noise adds by it. `shift`
    is the bias of the mean, `growth` that of the part of the error that lies along the signal.
    """
    batch, steps = network.batch, network.steps
    along = _aligned_share_draws(network, scatters[-1])
    last = network.deltas[-1] / batch.over_samples(network.deltas[-1])
    sensitivity = backward = forward = shift = growth = 0.0
    share = _aligned_growth(network, len(steps) - 1, responses)
    figures = [(0.0, 0.0)]
    for i in range(len(steps) - 2, -1, -1):
        step, above, response, scatter = steps[i], steps[i + 1], responses[i], scatters[i]
        weights = network.deltas[i]
        growth += share * (1.0 + step.same_sample.mixed[0]) / (step.block.kept * step.block.units)
        share *= _aligned_growth(network, i, responses)
        carried = above.weight_share * sensitivity
        added = batch.over_all_pairs(*_unit_scatter(step), step.moments.second)
        forward += carried**2 * added
        forward += 2.0 * carried * batch.over_all_pairs(*_mixed_scatter(step), weights)
        backward += batch.over_all_pairs(
            *_backward_scatter(step, above, network.cosine_squares[i]), weights
        )
        sensitivity = response.derivative_slope + response.slope * carried
        bend = response.derivative_curvature - response.derivative_slope**2
        shift += response.derivative_slope * scatter.bias + 0.5 * bend * scatter.one_sample
        ratio = weights / batch.over_samples(weights)
        sampling = batch.over_samples((ratio - last) ** 2) * batch.sampling
        # Per layer the part along the signal comes in by 2 / n and as much is lost of the whole.
        kept = math.exp(-growth)
        gained = np.log(kept + along * (1.0 - kept))
        variance = (
            sensitivity**2 * scatter.batch + forward + backward + sampling + float(np.var(gained))
        )
        centre = math.log(batch.over_samples(weights)) + shift - 0.5 * backward
        figures.append((centre + float(np.mean(gained)), variance))
    return _band(figures[::-1])


def _aligned_share_draws(network: Network, above: _Scatter) -> Floats:
    """Draws of a batch's mean of `logit_aligned_share`: the samples share a part of its scatter."""
    output, batch = network.output, network.batch
    if output is None:
        return np.ones(1)
    draws = logit_aligned_share(output.block, output.scale, above.batch)
    squares = np.minimum(output.correlation**2 + output.correlation_variance, 1.0)
    shared = min(1.0, batch.over_all_pairs(1.0, squares, output.variance))
    mean = float(np.mean(draws))
    return mean + math.sqrt(shared) * (draws - mean)


def _aligned_growth(network: Network, i: int, responses: list[_Response]) -> float:
    """Factor on the excess along the signal through a layer: slope^2 E phi^2 / (q E phi'^2).

    1 for positively homogeneous activations, which leave sum z delta as it is.
    """
    step = network.steps[i]
    level = step.second / (step.scale * step.derivative_second)
    return float(step.weight_share * responses[i].slope ** 2 * level)


def _unit_scatter(step: Step, dropped: bool = True) -> tuple[float, Floats]:
    """Covariance of a layer's means of a^2 over its units: of one sample, of pairs."""
    kept = step.block.kept if dropped else 1.0
    same, fixed = step.same_sample, step.fixed_forward
    one_sample = (1.0 + same.square[0]) / kept - 1.0 - fixed * same.square_part[0]
    pairs = step.pairs.square - fixed * step.pairs.square_part
    return float(one_sample) / step.block.units, pairs / step.block.units


def _mixed_scatter(step: Step) -> tuple[float, Floats]:
    """Covariance of a layer's mean of a^2 with its mean of phi'^2."""
    same, fixed = step.same_sample, step.fixed_forward
    one_sample = (1.0 + same.mixed[0]) / step.block.kept - 1.0 - fixed * same.mixed_part[0]
    pairs = step.pairs.mixed - fixed * step.pairs.mixed_part
    return float(one_sample) / step.block.units, pairs / step.block.units


def _backward_scatter(step: Step, above: Step, squares: Floats) -> tuple[float, Floats]:
    """Covariance of a layer's means of phi'^2 h^2, h the gradient that `above` sends down."""
    one_sample = 3.0 * (1.0 + step.same_sample.derivative_square[0]) / step.block.kept - 1.0
    pairs = (1.0 + step.pairs.derivative_square) * (1.0 + 2.0 * squares) - 1.0
    fixed = 2.0 * above.fixed_backward
    one_sample, pairs = one_sample - fixed, pairs - fixed * squares
    return float(one_sample) / step.block.units, pairs / step.block.units
