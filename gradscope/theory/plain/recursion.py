"""Dense layers without normalization: the recursion over depth at infinite width.

z of a sample is normal with variance q = fan_in Var w E a^2 + Var b (Poole et al. 2016, eq. 3), and
its delta scales with E phi'^2 (Schoenholz et al. 2017, eq. 5). Samples of different norm have their
own q and pairs of samples their own correlation, so that means over a batch of real data are right.
Corrections for finite width are in `finite_width`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.moments.moment_table import Moments, MomentTable, Pairs, moment_table
from gradscope.theory.output.error_cosines import ErrorCosines, error_cosines
from gradscope.theory.plain.batch_pairs import BatchPairs
from gradscope.theory.scope import Block, OutsideTheoryError, in_range, no_finite_moments

__all__ = ["Network", "Preactivation", "Step", "plain_network"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """Averages of one hidden layer in the forward pass.

    `input_second_moment` [sample] is E x^2 of the layer's input x, `input_correlation` [pair] the
    correlation of x. `variance` [sample] is that of z around the bias that all units share, `scale`
    its mean over samples, `correlation` [pair] that of z, `correlation_variance` [pair] the
    variance of that correlation over initialisations. `weight_share` is the share of the variance
    of z that comes from the weights; the rest comes from the bias. `moments` are averages per
    sample, `second` and `derivative_second` the means over samples of two of them. `pairs` are
    averages per pair over the distribution of its correlation, `value_deviation` [pair] is the
    standard deviation that this distribution gives E phi_a phi_b / E phi^2. `same_sample` are the
    averages of a pair of a sample with itself.
    """

    block: Block
    input_second_moment: Floats
    input_correlation: Floats
    variance: Floats
    scale: float
    correlation: Floats
    correlation_variance: Floats
    weight_share: float
    moments: Moments
    second: float
    derivative_second: float
    pairs: Pairs
    value_deviation: Floats
    same_sample: Pairs

    @property
    def decorrelation(self) -> Floats:
        """Correlation of phi' [pair], dropout's masks included."""
        return self.pairs.derivative * self.block.kept

    @property
    def fixed_forward(self) -> float:
        """Share of the sum of squares of the input that orthogonal weights keep in the output."""
        block = self.block
        return min(1.0, block.fan_out / block.fan_in) if block.orthogonal else 0.0

    @property
    def fixed_backward(self) -> float:
        """Share of the sum of squares of the gradient that orthogonal weights keep going back."""
        block = self.block
        return min(1.0, block.fan_in / block.fan_out) if block.orthogonal else 0.0


@dataclass(frozen=True)
class Preactivation:
    """Averages of a layer's z, with the names of `Step`."""

    block: Block
    variance: Floats
    scale: float
    correlation: Floats
    correlation_variance: Floats
    weight_share: float


@dataclass(frozen=True)
class Network:
    """The hidden layers, the output layer, and the backward pass.

    `output_input` [sample] is E x^2 of the output layer's input. Per hidden layer: `deltas`
    [sample] are E delta^2 over the last hidden layer's mean, `cosines` [pair] those of the gradient
    with respect to the layer's activations, `cosine_squares` [pair] their mean squares.
    """

    batch: BatchPairs
    steps: tuple[Step, ...]
    output: Preactivation | None
    output_input: Floats
    deltas: tuple[Floats, ...]
    cosines: tuple[Floats, ...]
    cosine_squares: tuple[Floats, ...]

    def kernel_gradients(self) -> Floats:
        """Second moments of the kernels' gradients over the last hidden layer's.

        E g^2 = (1 / B) (mean of p m over samples + (B - 1) times that of E delta_a delta_b x_a x_b
        over pairs), m the second moment of the layer's input.
        """
        batch, gradients = self.batch, []
        for step, delta, cosine in zip(self.steps, self.deltas, self.cosines, strict=True):
            shared = batch.over_pairs(cosine * step.decorrelation * step.input_correlation)
            means = batch.over_samples(delta) * batch.over_samples(step.input_second_moment)
            own_sample = batch.over_samples(delta * step.input_second_moment)
            gradients.append(own_sample + (batch.size - 1.0) * means * shared)
        return np.array(gradients) / gradients[-1]


@dataclass(frozen=True)
class _LayerInput:
    """The input of a layer: `second_moment` [sample], `correlation` and its variance [pair]."""

    second_moment: Floats
    correlation: Floats
    correlation_variance: Floats


def plain_network(
    hidden: Sequence[Block],
    output: Block | None,
    geometry: SampleGeometry,
    batch_size: int,
) -> Network:
    """Forward pass of samples and pairs of samples, and backward pass of their errors."""
    batch = BatchPairs.from_geometry(geometry, batch_size)
    signal = _LayerInput(batch.norms, batch.cosines, np.zeros(len(batch.cosines)))
    steps: list[Step] = []
    for block in hidden:
        step = _step(block, batch, signal)
        steps.append(step)
        signal = _LayerInput(
            second_moment=step.moments.second / block.kept,
            correlation=step.pairs.value * block.kept,
            correlation_variance=_output_correlation_variance(step),
        )
    last = _preactivation(output, batch, signal) if output is not None else None
    shared = batch.over_pairs(last.correlation) if last is not None else 0.0
    errors = error_cosines(output, last.scale if last is not None else 0.0, shared)
    deltas, cosines, squares = _downward(steps, batch, errors)
    return Network(batch, tuple(steps), last, signal.second_moment, deltas, cosines, squares)


def _preactivation(block: Block, batch: BatchPairs, signal: _LayerInput) -> Preactivation:
    variance = block.forward * signal.second_moment + block.bias_variance
    scale = in_range(block, batch.over_samples(variance))
    weight_share = 1.0 - block.bias_variance / scale
    correlation = np.clip(weight_share * signal.correlation + 1.0 - weight_share, -1.0, 1.0)
    correlation_variance = weight_share**2 * signal.correlation_variance
    return Preactivation(block, variance, scale, correlation, correlation_variance, weight_share)


def _step(block: Block, batch: BatchPairs, signal: _LayerInput) -> Step:
    z = _preactivation(block, batch, signal)
    if not z.variance.all():
        raise OutsideTheoryError("some samples are all zeros")
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    moments = table.moments(z.variance)
    if not (np.isfinite(moments.second).all() and np.isfinite(moments.derivative_second).all()):
        raise no_finite_moments(block, z.scale)
    pairs, same_sample, value_deviation = _pairs(
        table, z.scale, z.correlation, z.correlation_variance
    )
    return Step(
        block=block,
        input_second_moment=signal.second_moment,
        input_correlation=signal.correlation,
        variance=z.variance,
        scale=z.scale,
        correlation=z.correlation,
        correlation_variance=z.correlation_variance,
        weight_share=z.weight_share,
        moments=moments,
        second=batch.over_samples(moments.second),
        derivative_second=batch.over_samples(moments.derivative_second),
        pairs=pairs,
        value_deviation=value_deviation,
        same_sample=same_sample,
    )


def _pairs(
    table: MomentTable, scale: float, correlation: Floats, correlation_variance: Floats
) -> tuple[Pairs, Pairs, Floats]:
    """`pairs`, `same_sample` and `value_deviation` of `Step`.

    The correlation of a pair is taken as one standard deviation above or below its mean, with equal
    probability: exact to second order in the deviation.
    """
    deviation, count = np.sqrt(correlation_variance), len(correlation)
    points = np.concatenate([correlation - deviation, correlation + deviation, [1.0]])
    at_points = table.pairs(scale, np.clip(points, -1.0, 1.0))
    means, same_sample = {}, {}
    for field in fields(Pairs):
        values = getattr(at_points, field.name)
        per_pair = isinstance(values, np.ndarray)
        means[field.name] = 0.5 * (values[:count] + values[count:-1]) if per_pair else values
        same_sample[field.name] = values[-1:] if per_pair else values
    value_deviation = 0.5 * np.abs(at_points.value[count:-1] - at_points.value[:count])
    return Pairs(**means), Pairs(**same_sample), value_deviation


def _output_correlation_variance(step: Step) -> Floats:
    """Variance over initialisations of the correlation of a layer's activations [pair].

    The variance of the correlation of z passes through phi; n units add the variance of
    phi_a phi_b - c (phi_a^2 + phi_b^2) / 2 over n, c the correlation of the activations, less the
    part of it that orthogonal weights fix. At most (1 - c^2)^2, what a single unit gives.
    """
    block, pairs = step.block, step.pairs
    correlation = pairs.value * block.kept
    square, fourth = 1.0 + pairs.square, (1.0 + step.same_sample.square[0]) / block.kept
    added = square - 2.0 * correlation * pairs.cube + 0.5 * correlation**2 * (fourth + square)
    added -= step.fixed_forward * pairs.linear**2 * (1.0 - step.correlation**2) ** 2
    passed = (step.value_deviation * block.kept) ** 2
    variance: Floats = passed + np.maximum(added, 0.0) / block.units
    return np.minimum(variance, (1.0 - correlation**2) ** 2)


def _downward(
    steps: Sequence[Step], batch: BatchPairs, errors: ErrorCosines
) -> tuple[tuple[Floats, ...], tuple[Floats, ...], tuple[Floats, ...]]:
    """`deltas`, `cosines` and `cosine_squares` of `Network`, in depth order."""
    last = steps[-1].moments.derivative_second
    deltas = [last / batch.over_samples(last)]
    cosines = [np.where(batch.same_class, errors.same_class, errors.different_class)]
    squares = [np.where(batch.same_class, errors.same_class_square, errors.different_class_square)]
    for step, above in zip(steps[-2::-1], steps[:0:-1], strict=True):
        slope = step.moments.derivative_second / step.block.kept
        deltas.append(deltas[-1] * above.block.backward * slope)
        cosines.append(cosines[-1] * above.decorrelation)
        squares.append(_delta_cosine_square(above, squares[-1]))
    return tuple(deltas[::-1]), tuple(cosines[::-1]), tuple(squares[::-1])


def _delta_cosine_square(above: Step, square: Floats) -> Floats:
    """Mean square over initialisations of the cosine of two samples' deltas at a layer [pair].

    `square` is that of the gradient with respect to the layer's activations. n units add the
    variance of d_a d_b - cosine (d_a^2 + d_b^2) / 2 over n, d = phi' h with h normal.
    """
    shared, block = above.decorrelation, above.block
    both = 1.0 + above.pairs.derivative_square
    fourth = (1.0 + above.same_sample.derivative_square[0]) / block.kept
    mixed = (1.0 + 2.0 * square) * both
    added = mixed - 6.0 * shared * square * both
    added += 0.5 * shared**2 * square * (3.0 * fourth + mixed)
    added -= above.fixed_backward * above.pairs.derivative_constant**2 * (1.0 - square) ** 2
    delta_square: Floats = shared**2 * square + np.maximum(added, 0.0) / block.units
    return np.minimum(delta_square, 1.0)
