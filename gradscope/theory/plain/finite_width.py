"""How far a network of finite width strays from the infinitely wide one, and to which side.

What a layer of n units adds to the relative scatter of a mean over a batch is 1 / n times the mean,
over the pairs of samples, of the covariance of phi^2 (forward) or of phi'^2 h^2 with h normal
(backward). For one sample and ReLU that is kappa / n with kappa = E phi^4 / (E phi^2)^2 - 1 = 5
(Hanin & Nica 2020, arXiv:1812.05994); 3 for orthogonal weights, which fix the sums of z_a z_b.

Forward, a deviation is passed on with the elasticity of E phi^2 (Roberts, Yaida & Hanin 2022,
section 5); backward, unchanged, but forward deviations act on phi' as well. The error's part along
the logits lies in the direction of the signal, where phi' lets more of it pass than of the rest.
All of it to first order in 1 / n; the logarithms are then close to normal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.theory.output.error_cosines import along_logits
from gradscope.theory.plain.recursion import Network, Output, Step
from gradscope.theory.prediction import Band

__all__ = ["Bands", "bands_of"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """`signal` of E z^2 (hidden layers, then output), `activation` of E a^2, `delta` of E delta^2
    over the last hidden layer's."""

    signal: Band
    activation: Band
    delta: Band


@dataclass(frozen=True)
class _Forward:
    """Scatter of a layer's variance of z around its mean: per sample, per pair, over the batch.

    `bias` is the relative distance of its mean over initialisations from infinite width.
    """

    own: float
    others: Floats
    batch: float
    bias: float

    @classmethod
    def of(
        cls, network: Network, own: float, others: Floats, weights: Floats, bias: float
    ) -> _Forward:
        """With the mean over the batch, each sample weighted.

        Samples on opposite sides scatter against each other; of first order that may overshoot 0.
        """
        return cls(own, others, max(0.0, network.batch.over_all(own, others, weights)), bias)


@dataclass(frozen=True)
class _Response:
    """How E phi^2 and E phi'^2 over the samples answer to a relative change of all variances.

    First derivative by ln q; q^2 times the second, over the average.
    """

    slope: float
    curvature: float
    derivative_slope: float
    derivative_curvature: float

    @classmethod
    def of(cls, step: Step, network: Network) -> _Response:
        def mean(values: Floats, weights: Floats) -> float:
            over = network.batch.over_samples
            return over(values * weights) / over(weights)

        moments = step.moments
        return cls(
            mean(moments.slope, moments.second),
            mean(moments.curvature, moments.second),
            mean(moments.derivative_slope, moments.derivative_second),
            mean(moments.derivative_curvature, moments.derivative_second),
        )


def bands_of(network: Network) -> Bands:
    """Bands of a plain network's figures over seeds, for means over one batch."""
    responses = [_Response.of(step, network) for step in network.steps]
    forward = _forward(network, responses)
    signal = [_signal(network, step, at) for step, at in zip(network.steps, forward, strict=False)]
    if network.output is not None:
        signal.append(_signal(network, network.output, forward[-1]))
    activation = [
        _activation(network, step, response, at)
        for step, response, at in zip(network.steps, responses, forward, strict=False)
    ]
    return Bands(_band(signal), _band(activation), _delta(network, responses, forward))


def _band(figures: list[tuple[float, float]]) -> Band:
    """The band from (mean of the logarithm, its variance) per layer."""
    centre, variance = (np.array(values) for values in zip(*figures, strict=True))
    return Band(centre, np.sqrt(np.maximum(variance, 0.0)))


def _forward(network: Network, responses: list[_Response]) -> list[_Forward]:
    """One entry per hidden layer, and one for what is above the last."""
    batch, steps = network.batch, network.steps
    own, others, bias = 0.0, np.zeros(len(batch.cosines)), 0.0
    found = []
    for i, (step, response) in enumerate(zip(steps, responses, strict=True)):
        found.append(_Forward.of(network, own, others, step.variance, bias))
        above = steps[i + 1] if i + 1 < len(steps) else network.output
        weight = above.weighted if above is not None else 1.0
        bent = 0.5 * response.curvature * (own - 2.0 * step.fixed_above / step.block.units)
        bias = weight * (response.slope * bias + bent)
        added_own, added = _unit_scatter(step)
        own = weight**2 * (response.slope**2 * own + added_own)
        others = weight**2 * (response.slope**2 * others + added)
    weights = batch.norms if network.output is None else network.output.variance
    return [*found, _Forward.of(network, own, others, weights, bias)]


def _signal(network: Network, layer: Step | Output, at: _Forward) -> tuple[float, float]:
    """Mean and variance of ln E z^2."""
    batch, block = network.batch, layer.block
    shared = block.bias_mean**2
    square = layer.scale + shared
    lever = layer.scale / square
    fixed = min(1.0, block.fan_out / block.fan_in) if block.orthogonal else 0.0
    free, mean = 2.0 * (1.0 - fixed) * lever**2, 4.0 * shared * layer.scale / square**2
    pairs = free * (layer.correlation**2 + layer.wander) + mean * layer.correlation
    variance = lever**2 * at.batch
    variance += batch.over_all(free + mean, pairs, layer.variance) / block.units
    variance += batch.drawn(layer.variance + shared)
    return math.log(square) + lever * at.bias - 0.5 * variance, variance


def _activation(
    network: Network, step: Step, response: _Response, at: _Forward
) -> tuple[float, float]:
    """Mean and variance of ln E a^2, before dropout."""
    batch = network.batch
    variance = response.slope**2 * at.batch
    variance += batch.over_all(*_unit_scatter(step, dropped=False), step.moments.second)
    variance += batch.drawn(step.moments.second)
    bent = 0.5 * response.curvature * (at.own - 2.0 * step.fixed_above / step.block.units)
    return math.log(step.second) + response.slope * at.bias + bent - 0.5 * variance, variance


def _delta(network: Network, responses: list[_Response], forward: list[_Forward]) -> Band:
    """Band of E delta^2 over the last hidden layer's.

    Going down, `units` gathers what the units' phi'^2 h^2 scatter by, `answer` the response of the
    phi'^2 passed so far to the forward variance of the current layer, `later` what forward noise
    of the layers passed adds by it, `shift` the mean, and `growth` that of the part of the error
    that lies along the signal.
    """
    batch, steps = network.batch, network.steps
    along = _along(network, forward[-1])
    last = network.deltas[-1] / batch.over_samples(network.deltas[-1])
    answer = units = later = shift = growth = 0.0
    share = _passed_along(network, len(steps) - 1, responses)
    figures = [(0.0, 0.0)]
    for i in range(len(steps) - 2, -1, -1):
        step, above, response, at = steps[i], steps[i + 1], responses[i], forward[i]
        weights = network.deltas[i]
        growth += share * (1.0 + step.alone.mixed[0]) / (step.block.kept * step.block.units)
        share *= _passed_along(network, i, responses)
        carried = above.weighted * answer
        added = batch.over_all(*_unit_scatter(step), step.moments.second)
        later += carried**2 * added
        later += 2.0 * carried * batch.over_all(*_mixed_scatter(step), weights)
        units += batch.over_all(*_backward_scatter(step, above, network.cosine_squares[i]), weights)
        answer = response.derivative_slope + response.slope * carried
        bend = response.derivative_curvature - response.derivative_slope**2
        shift += response.derivative_slope * at.bias + 0.5 * bend * at.own
        ratio = weights / batch.over_samples(weights)
        drawn = batch.over_samples((ratio - last) ** 2) * batch.sampling
        # Per layer the part along the signal comes in by 2 / n and as much is lost of the whole.
        kept = math.exp(-growth)
        gained = np.log(kept + along * (1.0 - kept))
        variance = answer**2 * at.batch + later + units + drawn + float(np.var(gained))
        centre = math.log(batch.over_samples(weights)) + shift - 0.5 * units
        figures.append((centre + float(np.mean(gained)), variance))
    return _band(figures[::-1])


def _along(network: Network, above: _Forward) -> Floats:
    """Draws of a batch's mean of `along_logits`: the samples share a part of its scatter."""
    output, batch = network.output, network.batch
    if output is None:
        return np.ones(1)
    draws = along_logits(output.block, output.scale, above.batch)
    squares = np.minimum(output.correlation**2 + output.wander, 1.0)
    shared = min(1.0, batch.over_all(1.0, squares, output.variance))
    mean = float(np.mean(draws))
    return mean + math.sqrt(shared) * (draws - mean)


def _passed_along(network: Network, i: int, responses: list[_Response]) -> float:
    """Factor on the excess along the signal through a layer: slope^2 E phi^2 / (q E phi'^2).

    1 for positively homogeneous activations, which leave sum z delta as it is.
    """
    step = network.steps[i]
    level = step.second / (step.scale * step.derivative_second)
    return float(step.weighted * responses[i].slope ** 2 * level)


def _unit_scatter(step: Step, dropped: bool = True) -> tuple[float, Floats]:
    """Covariance of a layer's means of a^2 over its units: of one sample, of pairs."""
    kept = step.block.kept if dropped else 1.0
    own = (1.0 + step.alone.square[0]) / kept - 1.0 - step.fixed_above * step.alone.square_part[0]
    others = step.pairs.square - step.fixed_above * step.pairs.square_part
    return float(own) / step.block.units, others / step.block.units


def _mixed_scatter(step: Step) -> tuple[float, Floats]:
    """Covariance of a layer's mean of a^2 with its mean of phi'^2."""
    kept, fixed = step.block.kept, step.fixed_above
    own = (1.0 + step.alone.mixed[0]) / kept - 1.0 - fixed * step.alone.mixed_part[0]
    others = step.pairs.mixed - fixed * step.pairs.mixed_part
    return float(own) / step.block.units, others / step.block.units


def _backward_scatter(step: Step, above: Step, squares: Floats) -> tuple[float, Floats]:
    """Covariance of a layer's means of phi'^2 h^2, h the gradient that `above` sends down."""
    own = 3.0 * (1.0 + step.alone.derivative_square[0]) / step.block.kept - 1.0
    others = (1.0 + step.pairs.derivative_square) * (1.0 + 2.0 * squares) - 1.0
    fixed = 2.0 * above.fixed_below
    return float(own - fixed) / step.block.units, (others - fixed * squares) / step.block.units
