"""Dense layers without normalisation, as wide as may be.

z of a sample is normal with variance q = fan_in Var w E a^2 + Var b (Poole et al. 2016, eq. 3), and
its delta scales with E phi'^2 (Schoenholz et al. 2017, eq. 5). Samples of different norm have their
own q and pairs of samples their own correlation, so that means over a batch of real data come out
right. What a finite width adds is in `finite_width`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt

from gradscope.record.sample_geometry import SampleGeometry
from gradscope.theory.moments.moment_table import Moments, MomentTable, Pairs, moment_table
from gradscope.theory.output.error_cosines import Errors, errors_of
from gradscope.theory.plain.batch_pairs import BatchPairs
from gradscope.theory.scope import Block, OutsideTheoryError, in_range

__all__ = ["Network", "Output", "Step", "plain_network"]

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Step:
    """One hidden layer on the way up.

    `fed` [sample] is E a^2 of what it is fed and `below` [pair] the correlation of that;
    `variance` [sample] is that of z around the bias all units share, `scale` its mean,
    `correlation` [pair] that of z, `wander` [pair] the latter's variance over initialisations;
    `weighted` is the share of the variance that the weights give (the rest is the bias's).
    `moments` are averages per sample, `second` and `derivative_second` the means over samples of
    two of them; `pairs` are averages per pair over the wandering correlation, `spread` [pair] what
    it makes of E phi_a phi_b / E phi^2, `alone` the averages of a sample with itself.
    """

    block: Block
    fed: Floats
    below: Floats
    variance: Floats
    scale: float
    correlation: Floats
    wander: Floats
    weighted: float
    moments: Moments
    second: float
    derivative_second: float
    pairs: Pairs
    spread: Floats
    alone: Pairs

    @property
    def decorrelation(self) -> Floats:
        """Correlation of phi' [pair], dropout's masks included."""
        return self.pairs.derivative * self.block.kept

    @property
    def fixed_above(self) -> float:
        """Share of the sums of squares of z that orthogonal weights fix: all, or those they can."""
        block = self.block
        return min(1.0, block.fan_out / block.fan_in) if block.orthogonal else 0.0

    @property
    def fixed_below(self) -> float:
        """The same for the sums of squares that the gradient has below this layer."""
        block = self.block
        return min(1.0, block.fan_in / block.fan_out) if block.orthogonal else 0.0


@dataclass(frozen=True)
class Output:
    """The output layer's z, with the names of `Step`."""

    block: Block
    variance: Floats
    scale: float
    correlation: Floats
    wander: Floats
    weighted: float


@dataclass(frozen=True)
class Network:
    """The hidden layers, the output layer, and what flows back.

    `fed` [sample] is the E a^2 that reaches the output layer. Per hidden layer: `deltas` [sample]
    are E delta^2 over the last hidden layer's mean, `cosines` [pair] those of what the layer
    receives from above and `cosine_squares` their mean squares.
    """

    batch: BatchPairs
    steps: tuple[Step, ...]
    output: Output | None
    fed: Floats
    deltas: tuple[Floats, ...]
    cosines: tuple[Floats, ...]
    cosine_squares: tuple[Floats, ...]

    def kernel_gradients(self) -> Floats:
        """Second moments of the kernels' gradients over the last hidden layer's.

        E g^2 = (1 / B) (mean of p m over samples + (B - 1) times that of E delta_a delta_b x_a x_b
        over pairs), m that of the layer below.
        """
        batch, found = self.batch, []
        for step, delta, cosine in zip(self.steps, self.deltas, self.cosines, strict=True):
            shared = batch.over_pairs(cosine * step.decorrelation * step.below)
            means = batch.over_samples(delta) * batch.over_samples(step.fed)
            found.append(batch.over_samples(delta * step.fed) + (batch.size - 1.0) * means * shared)
        return np.array(found) / found[-1]


def plain_network(
    hidden: Sequence[Block],
    output: Block | None,
    geometry: SampleGeometry,
    batch_size: int,
) -> Network:
    """Follow samples and pairs of samples up through the layers, and their errors down again."""
    batch = BatchPairs.of(geometry, batch_size)
    fed, below, wander = batch.norms, batch.cosines, np.zeros(len(batch.cosines))
    steps: list[Step] = []
    for block in hidden:
        step = _step(block, batch, fed, below, wander)
        steps.append(step)
        fed = step.moments.second / block.kept
        below, wander = step.pairs.value * block.kept, _wander_above(step)
    last = _output(output, batch, fed, below, wander) if output is not None else None
    shared = batch.over_pairs(last.correlation) if last is not None else 0.0
    errors = errors_of(output, last.scale if last is not None else 0.0, shared)
    deltas, cosines, squares = _downward(steps, batch, errors)
    return Network(batch, tuple(steps), last, fed, deltas, cosines, squares)


def _step(block: Block, batch: BatchPairs, fed: Floats, below: Floats, wander: Floats) -> Step:
    variance = block.forward * fed + block.bias_variance
    scale = in_range(block, batch.over_samples(variance))
    weighted = 1.0 - block.bias_variance / scale
    correlation = np.clip(weighted * below + 1.0 - weighted, -1.0, 1.0)
    wander = weighted**2 * wander
    table = moment_table(block.activation, block.parameters, block.bias_mean)
    moments = table.at(variance)
    if not (np.isfinite(moments.second).all() and np.isfinite(moments.derivative_second).all()):
        raise OutsideTheoryError(
            f"{block.activation} of layer {block.name} has no finite moments at E z^2 = {scale:.3g}"
        )
    pairs, alone, spread = _pairs(table, scale, correlation, wander)
    return Step(
        block=block,
        fed=fed,
        below=below,
        variance=variance,
        scale=scale,
        correlation=correlation,
        wander=wander,
        weighted=weighted,
        moments=moments,
        second=batch.over_samples(moments.second),
        derivative_second=batch.over_samples(moments.derivative_second),
        pairs=pairs,
        spread=spread,
        alone=alone,
    )


def _pairs(
    table: MomentTable, scale: float, correlation: Floats, wander: Floats
) -> tuple[Pairs, Pairs, Floats]:
    """Averages over pairs, whose correlation is one deviation above or below its mean; over a
    sample with itself; and by how much E phi_a phi_b then lies above or below its own mean."""
    deviation, count = np.sqrt(wander), len(correlation)
    points = np.concatenate([correlation - deviation, correlation + deviation, [1.0]])
    found = table.pairs(scale, np.clip(points, -1.0, 1.0))
    means, alone = {}, {}
    for field in fields(Pairs):
        values = getattr(found, field.name)
        several = isinstance(values, np.ndarray)
        means[field.name] = 0.5 * (values[:count] + values[count:-1]) if several else values
        alone[field.name] = values[-1:] if several else values
    spread = 0.5 * np.abs(found.value[count:-1] - found.value[:count])
    return Pairs(**means), Pairs(**alone), spread


def _wander_above(step: Step) -> Floats:
    """Variance over initialisations of the correlation that leaves a layer [pair].

    What the correlation below made of it, and what n units add: the variance of phi_a phi_b
    - c_out (phi_a^2 + phi_b^2) / 2 over n, less what orthogonal weights fix of it.
    """
    block, pairs = step.block, step.pairs
    out = pairs.value * block.kept
    square, fourth = 1.0 + pairs.square, (1.0 + step.alone.square[0]) / block.kept
    added = square - 2.0 * out * pairs.cube + 0.5 * out**2 * (fourth + square)
    added -= step.fixed_above * pairs.linear**2 * (1.0 - step.correlation**2) ** 2
    wander: Floats = (step.spread * block.kept) ** 2 + np.maximum(added, 0.0) / block.units
    return np.minimum(wander, (1.0 - out**2) ** 2)


def _output(block: Block, batch: BatchPairs, fed: Floats, below: Floats, wander: Floats) -> Output:
    variance = block.forward * fed + block.bias_variance
    scale = in_range(block, batch.over_samples(variance))
    weighted = 1.0 - block.bias_variance / scale
    correlation = np.clip(weighted * below + 1.0 - weighted, -1.0, 1.0)
    return Output(block, variance, scale, correlation, weighted**2 * wander, weighted)


def _downward(
    steps: Sequence[Step], batch: BatchPairs, errors: Errors
) -> tuple[tuple[Floats, ...], tuple[Floats, ...], tuple[Floats, ...]]:
    """`deltas`, `cosines` and `cosine_squares` of `Network`, in depth order."""
    last = steps[-1].moments.derivative_second
    deltas = [last / batch.over_samples(last)]
    cosines = [np.where(batch.alike, errors.alike, errors.different)]
    squares = [np.where(batch.alike, errors.alike_square, errors.different_square)]
    for step, above in zip(steps[-2::-1], steps[:0:-1], strict=True):
        slope = step.moments.derivative_second / step.block.kept
        deltas.append(deltas[-1] * above.block.backward * slope)
        cosines.append(cosines[-1] * above.decorrelation)
        squares.append(_cosine_square_below(above, squares[-1]))
    return tuple(deltas[::-1]), tuple(cosines[::-1]), tuple(squares[::-1])


def _cosine_square_below(above: Step, square: Floats) -> Floats:
    """Mean square of the cosine of two samples' deltas at a layer [pair], chance included.

    `square` is that of what the layer receives. n units add the variance of d_a d_b
    - cosine (d_a^2 + d_b^2) / 2 over n, d = phi' h with h normal.
    """
    shared, block = above.decorrelation, above.block
    both = 1.0 + above.pairs.derivative_square
    fourth = (1.0 + above.alone.derivative_square[0]) / block.kept
    mixed = (1.0 + 2.0 * square) * both
    added = mixed - 6.0 * shared * square * both
    added += 0.5 * shared**2 * square * (3.0 * fourth + mixed)
    added -= above.fixed_below * above.pairs.derivative_constant**2 * (1.0 - square) ** 2
    below: Floats = shared**2 * square + np.maximum(added, 0.0) / block.units
    return np.minimum(below, 1.0)
