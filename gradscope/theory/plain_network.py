"""Dense layers without normalisation: the profile of a wide network, and the scatter of a finite one.

Infinite width: z of a sample is normal with variance q = fan_in Var w E a^2 + Var b (Poole et al.
2016, eq. 3), and its delta scales with E phi'^2 (Schoenholz et al. 2017, eq. 5). Samples of
different norm have their own q and pairs of samples their own correlation, so that means over a
batch of real data come out right.

Finite width: what a layer of n units adds to the relative scatter of a mean over a batch is 1 / n
times the mean, over the pairs of samples, of the covariance of phi^2 (forward) or of phi'^2 h^2
with h normal (backward). For one sample and ReLU that is kappa / n, kappa = E phi^4 / (E phi^2)^2
- 1 = 5 (Hanin & Nica 2020, arXiv:1812.05994); 3 for orthogonal weights, which keep E z_a z_b.
Forward, a deviation is passed on with the elasticity of E phi^2 (Roberts, Yaida & Hanin 2022,
section 5); backward, unchanged, but the forward deviations act on phi' as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.moment_table import Moments, MomentTable, Pairs, moment_table
from gradscope.theory.prediction import Band
from gradscope.theory.profile import Profile
from gradscope.theory.scope import Block, OutsideTheoryError, in_range

__all__ = ["Errors", "PairLaw", "plain_profile"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Errors:
    """Cosine of the errors dL/dlogits of two samples, of one class and of two; and its square.

    C classes under a softmax with small logits: 1 and -1 / (C - 1).
    """

    alike: float
    different: float
    alike_square: float
    different_square: float


@dataclass(frozen=True)
class PairLaw:
    """The pairs of samples in a batch: kinds of pair, their cosines at the input, their shares."""

    size: int
    cosines: Floats
    shares: Floats
    alike: npt.NDArray[np.bool_]
    sampling: float

    @classmethod
    def of(cls, geometry: SampleGeometry, batch_size: int) -> PairLaw:
        """The pairs in a batch drawn without replacement."""
        different, alike = np.array(geometry.different), np.array(geometry.alike)
        share = geometry.alike_share
        shares = [
            np.full(len(different), (1.0 - share) / len(different)),
            np.full(len(alike), share / len(alike)),
        ]
        kinds = [np.zeros(len(different), bool), np.ones(len(alike), bool)]
        drawn = geometry.samples
        left_out = max(0.0, 1.0 - batch_size / drawn) if drawn else 0.0
        return cls(
            size=batch_size,
            cosines=np.concatenate([different, alike]),
            shares=np.concatenate(shares),
            alike=np.concatenate(kinds),
            sampling=left_out / batch_size,
        )

    def mean(self, own: float, others: Floats, values: Floats) -> float:
        """Mean over all pairs, a sample with itself among them; `values` [sample] weigh those."""
        itself = own * (1.0 + _variation(values))
        return (itself + (self.size - 1.0) * self.over_others(others)) / self.size

    def over_others(self, others: Floats) -> float:
        """Mean over pairs of different samples."""
        return float(others @ self.shares)

    def drawn(self, values: Floats) -> float:
        """Relative variance of a batch's mean of `values` [sample] by which samples it drew."""
        return _variation(values) * self.sampling


def _variation(values: Floats) -> float:
    mean = float(np.mean(values))
    return float(np.mean((values / mean - 1.0) ** 2)) if mean > 0.0 else 0.0


@dataclass(frozen=True)
class _Step:
    """One hidden layer on the way up.

    `variance` [sample] is that of z around the bias all units share, `below` [pair kind] the
    correlation of what the layer is fed and `correlation` that of z; `weighted` the share of the
    variance that the weights give (the rest is the bias's). `wander` [pair kind] is the variance of
    that correlation over initialisations, and `pairs` are averages over it. `alone` are the pair
    averages of a sample with itself.
    """

    block: Block
    variance: Floats
    below: Floats
    fed: Floats
    correlation: Floats
    wander: Floats
    weighted: float
    moments: Moments
    pairs: Pairs
    alone: Pairs

    @property
    def signal(self) -> Floats:
        """E a^2 after dropout [sample]."""
        return self.moments.second / self.block.kept

    @property
    def slope(self) -> Floats:
        """E phi'^2 with dropout's share [sample]."""
        return self.moments.derivative_second / self.block.kept

    @property
    def correlated_slopes(self) -> Floats:
        """By how much delta decorrelates through the layer [pair kind]."""
        return self.pairs.derivative * self.block.kept

    def mean_of(self, name: str, weights: Floats) -> float:
        """A response of the mean over samples, each sample counting by what it brings."""
        return float(np.average(getattr(self.moments, name), weights=weights))


def plain_profile(
    hidden: Sequence[Block],
    output: Block | None,
    geometry: SampleGeometry,
    batch_size: int,
    errors: Errors,
) -> Profile:
    """Second moments and their bands, hidden layers first, then the output layer's z."""
    law = PairLaw.of(geometry, batch_size)
    steps, fed, below = _upward(hidden, law, geometry)
    deltas, cotangents = _downward(steps, law, errors)
    relative = np.array([float(np.mean(delta)) for delta in deltas])
    kernels = [
        float(np.mean(delta * step.fed))
        + (law.size - 1.0)
        * float(np.mean(delta) * np.mean(step.fed))
        * law.over_others(rho * step.correlated_slopes * step.below)
        for delta, rho, step in zip(deltas, cotangents, steps, strict=True)
    ]
    scatter = _Scatter(steps, law, [rho2 for rho2 in _squares(steps, law, errors)])
    last = _last(output, fed, below, _wander_above(steps[-1])) if output is not None else None
    signal, activation = scatter.signal(last)
    return Profile(
        q=np.array([np.mean(s.variance) + s.block.bias_mean**2 for s in steps]),
        m=np.array([np.mean(s.moments.second) for s in steps]),
        mean=np.array([np.mean(s.moments.mean) for s in steps]),
        delta=relative,
        kernel=np.array(kernels) / kernels[-1],
        correlation=np.array([law.over_others(s.correlation) for s in steps]),
        fed=fed,
        signal_band=signal,
        activation_band=activation,
        delta_band=scatter.delta(deltas),
    )


def _upward(
    hidden: Sequence[Block], law: PairLaw, geometry: SampleGeometry
) -> tuple[list[_Step], Floats, Floats]:
    """The steps, then E a^2 [sample] and the correlations [pair kind] that leave the last one."""
    fed = geometry.second_moment * np.array(geometry.norms)
    below, wander = law.cosines, np.zeros(len(law.cosines))
    steps = []
    for block in hidden:
        step = _step(block, fed, below, wander)
        steps.append(step)
        fed, below, wander = step.signal, step.pairs.value * block.kept, _wander_above(step)
    return steps, fed, below


def _wander_above(step: _Step) -> Floats:
    """Variance of the correlation that leaves a layer [pair kind].

    d c_out / d c = q E phi'_a phi'_b / E phi^2; n units add the variance of phi_a phi_b
    - c_out (phi_a^2 + phi_b^2) / 2, less what orthogonal weights fix of it.
    """
    block, pairs = step.block, step.pairs
    out = pairs.value * block.kept
    scale, second = float(np.mean(step.variance)), float(np.mean(step.moments.second))
    response = scale * float(np.mean(step.moments.derivative_second)) / second * pairs.derivative
    square, fourth = 1.0 + pairs.square, (1.0 + step.alone.square[0]) / block.kept
    added = square - 2.0 * out * pairs.cube + 0.5 * out**2 * (fourth + square)
    fixed = _kept_squares(block) * pairs.linear**2 * (1.0 - step.correlation**2) ** 2
    added = np.maximum(added - fixed, 0.0) / block.units
    return np.minimum((response * block.kept) ** 2 * step.wander + added, (1.0 - out**2) ** 2)


def _blurred(table: MomentTable, scale: float, correlation: Floats, wander: Floats) -> Pairs:
    """Pair averages over a correlation that is one deviation above or below its mean."""
    deviation = np.sqrt(wander)
    both = [
        table.pairs(scale, np.clip(correlation + sign * deviation, -1.0, 1.0))
        for sign in (-1.0, 1.0)
    ]
    arrays = {
        field.name: 0.5 * (getattr(both[0], field.name) + getattr(both[1], field.name))
        for field in fields(Pairs)
    }
    return Pairs(**arrays)


def _step(block: Block, fed: Floats, below: Floats, wander: Floats) -> _Step:
    variance = block.forward * fed + block.bias_variance
    scale = in_range(block, float(np.mean(variance)))
    weighted = 1.0 - block.bias_variance / scale
    correlation = np.clip(weighted * below + block.bias_variance / scale, -1.0, 1.0)
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    moments = table.at(variance)
    if not (np.isfinite(moments.second).all() and np.isfinite(moments.derivative_second).all()):
        raise OutsideTheoryError(
            f"{block.activation} of layer {block.name} has no finite moments at E z^2 = {scale:.3g}"
        )
    if not float(np.mean(moments.second)) > 0.0:
        raise OutsideTheoryError(f"no signal leaves layer {block.name}")
    return _Step(
        block=block,
        variance=variance,
        below=below,
        fed=fed,
        correlation=correlation,
        wander=weighted**2 * wander,
        weighted=weighted,
        moments=moments,
        pairs=_blurred(table, scale, correlation, weighted**2 * wander),
        alone=table.pairs(scale, np.ones(1)),
    )


def _downward(
    steps: Sequence[_Step], law: PairLaw, errors: Errors
) -> tuple[list[Floats], list[Floats]]:
    """E delta^2 [sample] over the last layer's mean, and the cosines of what each layer receives.

    Both in depth order.
    """
    last = steps[-1].slope
    deltas = [last / np.mean(last)]
    cosines = [np.where(law.alike, errors.alike, errors.different)]
    for step, above in zip(steps[-2::-1], steps[:0:-1], strict=True):
        deltas.append(deltas[-1] * above.block.backward * step.slope)
        cosines.append(cosines[-1] * above.correlated_slopes)
    return deltas[::-1], cosines[::-1]


def _squares(steps: Sequence[_Step], law: PairLaw, errors: Errors) -> list[Floats]:
    """Mean squares of the cosines of `_downward`, with the chance correlation n units give."""
    squares = [np.where(law.alike, errors.alike_square, errors.different_square)]
    for above in steps[:0:-1]:
        square, shared = squares[-1], above.correlated_slopes
        both, fourth = 1.0 + above.pairs.derivative_square, 1.0 + above.alone.derivative_square[0]
        fourth = fourth / above.block.kept
        added = (1.0 + 2.0 * square) * both - 6.0 * shared * square * both
        added = added + 0.5 * shared**2 * square * (3.0 * fourth + both * (1.0 + 2.0 * square))
        added = added - _kept_above(above) * above.pairs.derivative_constant**2 * (1.0 - square) ** 2
        added = np.maximum(added, 0.0) / above.block.units
        squares.append(np.minimum(shared**2 * square + added, 1.0))
    return squares[::-1]


def _kept_above(step: _Step) -> float:
    """Share of the sums of squares that the layer's orthogonal weights fix on the way down."""
    block = step.block
    return min(1.0, block.fan_in / block.fan_out) if block.orthogonal else 0.0


@dataclass(frozen=True)
class _Last:
    """The output layer's z: variance [sample], correlation [pair kind], share of the weights."""

    block: Block
    variance: Floats
    correlation: Floats
    wander: Floats


def _last(block: Block, fed: Floats, below: Floats, wander: Floats) -> _Last:
    variance = block.forward * fed + block.bias_variance
    scale = in_range(block, float(np.mean(variance)))
    share = block.bias_variance / scale
    return _Last(block, variance, np.clip((1.0 - share) * below + share, -1.0, 1.0), wander)


class _Scatter:
    """Relative variances, layer by layer, of the means that a batch on one initialisation shows."""

    def __init__(self, steps: Sequence[_Step], law: PairLaw, cosine_squares: list[Floats]) -> None:
        self._steps, self._law, self._squares = steps, law, cosine_squares
        self._slope = [s.mean_of("slope", s.moments.second) for s in steps]
        self._passed: list[float] = []
        self._own: list[float] = []
        self._bias: list[float] = []
        own, others, bias = 0.0, np.zeros(len(law.cosines)), 0.0
        for step, slope in zip(steps, self._slope, strict=True):
            self._own.append(own)
            self._bias.append(bias)
            self._passed.append(law.mean(own, others, step.variance))
            curvature = step.mean_of("curvature", step.moments.second)
            weight = self._weight_above(step)
            bias = weight * (slope * bias + 0.5 * curvature * own)
            added_own, added = _unit_scatter(step)
            own = weight**2 * (slope**2 * own + added_own)
            others = weight**2 * (slope**2 * others + added)
        self._end = (own, others, bias)

    def _weight_above(self, step: _Step) -> float:
        """Share of the next layer's variance that this layer's signal gives."""
        position = next(i for i, other in enumerate(self._steps) if other is step)
        return self._steps[position + 1].weighted if position + 1 < len(self._steps) else 1.0

    def signal(self, last: _Last | None) -> tuple[Band, Band]:
        """Bands of E z^2 (hidden layers and output) and of E a^2 (hidden layers)."""
        law = self._law
        q_centre, q_variance, m_centre, m_variance = [], [], [], []
        for i, step in enumerate(self._steps):
            square = np.mean(step.variance) + step.block.bias_mean**2
            lever = float(np.mean(step.variance) / square)
            z = _squares_of_z(step.block, step.variance, step.correlation, step.wander)
            variance = lever**2 * self._passed[i] + law.mean(*z, step.variance) / step.block.units
            variance += law.drawn(step.variance + step.block.bias_mean**2)
            q_variance.append(variance)
            q_centre.append(np.log(square) + lever * self._bias[i] - 0.5 * variance)
            second = step.moments.second
            curvature = step.mean_of("curvature", second)
            variance = self._slope[i] ** 2 * self._passed[i] + law.drawn(second)
            variance += law.mean(*_unit_scatter(step, dropped=False), second)
            m_variance.append(variance)
            shift = self._slope[i] * self._bias[i] + 0.5 * curvature * self._own[i]
            m_centre.append(np.log(np.mean(second)) + shift - 0.5 * variance)
        if last is not None:
            own, others, bias = self._end
            z = _squares_of_z(last.block, last.variance, last.correlation, last.wander)
            variance = law.mean(own, others, last.variance) + law.drawn(last.variance)
            variance += law.mean(*z, last.variance) / last.block.units
            q_variance.append(variance)
            q_centre.append(np.log(np.mean(last.variance)) + bias - 0.5 * variance)
        return (
            Band(np.array(q_centre), np.sqrt(q_variance)),
            Band(np.array(m_centre), np.sqrt(m_variance)),
        )

    def delta(self, deltas: Sequence[Floats]) -> Band:
        """Band of E delta^2 over the last hidden layer's."""
        law, last = self._law, deltas[-1] / np.mean(deltas[-1])
        centre, variance = [0.0], [0.0]
        response = units = later = shift = 0.0
        for i in range(len(self._steps) - 2, -1, -1):
            step, above = self._steps[i], self._steps[i + 1]
            weights = step.moments.derivative_second
            slope = step.mean_of("derivative_slope", weights)
            curvature = step.mean_of("derivative_curvature", weights)
            carried = above.weighted * response
            added = law.mean(*_unit_scatter(step), step.moments.second)
            units += law.mean(*_backward_scatter(step, above, self._squares[i]), deltas[i])
            later += carried**2 * added + 2.0 * carried * law.mean(*_mixed(step), deltas[i])
            response = slope + self._slope[i] * carried
            shift += slope * self._bias[i] + 0.5 * (curvature - slope**2) * self._own[i]
            ratio = deltas[i] / np.mean(deltas[i])
            drawn = float(np.mean((ratio - last) ** 2)) * law.sampling
            total = response**2 * self._passed[i] + later + units + drawn
            variance.append(max(total, 0.0))
            centre.append(float(np.log(np.mean(deltas[i]))) + shift - 0.5 * units)
        return Band(np.array(centre[::-1]), np.sqrt(variance[::-1]))


def _kept_squares(block: Block) -> float:
    """Share of the squares of z that orthogonal weights fix: all of them unless rows are fewer."""
    return min(1.0, block.fan_out / block.fan_in) if block.orthogonal else 0.0


def _squares_of_z(
    block: Block, variance: Floats, correlation: Floats, wander: Floats
) -> tuple[float, Floats]:
    """Covariance of the squares of z, of one sample and of pairs, over their mean squared."""
    scale, shared = float(np.mean(variance)), block.bias_mean**2
    free = 1.0 - _kept_squares(block)
    whole = (scale + shared) ** 2

    def covariance(c: Any, square: Any) -> Any:
        return (2.0 * free * scale**2 * square + 4.0 * shared * scale * c) / whole

    return float(covariance(1.0, 1.0)), covariance(correlation, correlation**2 + wander)


def _unit_scatter(step: _Step, dropped: bool = True) -> tuple[float, Floats]:
    """What the mean of a^2 over the layer's units scatters by: one sample, pairs of samples."""
    kept = step.block.kept if dropped else 1.0
    fixed = _kept_squares(step.block)
    own = (1.0 + float(step.alone.square[0])) / kept - 1.0 - fixed * step.alone.square_part[0]
    others = step.pairs.square - fixed * step.pairs.square_part
    return float(own) / step.block.units, others / step.block.units


def _backward_scatter(step: _Step, above: _Step, squares: Floats) -> tuple[float, Floats]:
    """What the mean of phi'^2 h^2 over the layer's units scatters by; h comes from `above`."""
    fixed = _kept_above(above)
    own = 3.0 * (1.0 + float(step.alone.derivative_square[0])) / step.block.kept - 1.0
    others = (1.0 + step.pairs.derivative_square) * (1.0 + 2.0 * squares) - 1.0
    return (own - 2.0 * fixed) / step.block.units, (others - 2.0 * fixed * squares) / step.block.units


def _mixed(step: _Step) -> tuple[float, Floats]:
    """Covariance of a layer's mean of a^2 with its mean of phi'^2."""
    kept, fixed = step.block.kept, _kept_squares(step.block)
    own = (1.0 + float(step.alone.mixed[0])) / kept - 1.0 - fixed * step.alone.mixed_part[0]
    others = step.pairs.mixed - fixed * step.pairs.mixed_part
    return float(own) / step.block.units, others / step.block.units
