"""The best answer that is the same for every sample and has a value of its own at each position."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record.run_record import Floats
from gradscope.runner.objective.constant_answer import from_shares, search_constant
from gradscope.runner.objective.output_graph import OutputGraph
from gradscope.runner.objective.right_answers import inverse, is_class_index, values_per_answer

Array = npt.NDArray[Any]

FEWEST_SAMPLES = 32
"""Samples from which an answer is chosen for each position: half of them choose, half judge it."""

SEARCHED_ON = 256
"""Samples on which it is searched where the loss has no formula: each of some 40 steps takes the
loss and its gradient, as that of CTC does, over all of them."""

MOST_SEARCHED = 2048
"""Answers per sample up to which it is searched."""

SMALLEST_GAIN = 0.01
"""Part of the loss by which it has to be better on samples that it was not chosen on."""

LossOf = Callable[[Floats, slice], float]
SlopeOf = Callable[[Floats, slice], Floats]


@dataclass(frozen=True)
class PositionSearch:
    """Where a constant [position, ..., unit] is searched: targets `y` for answers of `shape`.

    ``loss(constant, rows)`` and its ``slope`` are those on a slice of the targets; `slope` is None
    where the constant has a formula. `spread` is the size of the answers per unit.
    """

    y: Array
    shape: tuple[int, ...]
    graph: OutputGraph
    spread: Floats
    loss: LossOf
    slope: SlopeOf | None

    def constant(self, shared: Floats) -> Floats | None:
        """The best constant; None where `shared` [unit] does as well at every position.

        It is chosen on every other sample first and kept where it is better on the others: with
        many positions and few samples a value for each position only repeats the samples.
        """
        if len(self.shape) < 3 or len(self.y) < FEWEST_SAMPLES:
            return None
        most = len(self.y) if self.slope is None else min(len(self.y), SEARCHED_ON)
        each = most // 2
        even, odd = slice(0, 2 * each, 2), slice(1, 2 * each, 2)
        tried = self._chosen(shared, even, pseudo=1.0)
        alone = self.loss(np.broadcast_to(shared, self.shape[1:]), odd)
        if not self.loss(tried, odd) < alone - SMALLEST_GAIN * abs(alone):
            return None
        return self._chosen(shared, slice(0, most), pseudo=0.0)

    def _chosen(self, shared: Floats, rows: slice, *, pseudo: float) -> Floats:
        """The best constant by position on some of the samples.

        `pseudo` samples of all positions' mean are added at each: what half of the samples never
        have at a position may be in the other half.
        """
        by_position, slope = self.shape[1:], self.slope
        everywhere = np.broadcast_to(shared, by_position)
        candidates = chain([everywhere], _candidates(self.y[rows], self.shape, self.graph, pseudo))
        flat_slope = None
        if slope is not None and everywhere.size <= MOST_SEARCHED:

            def flat_slope(flat: Floats) -> Floats:
                return slope(flat.reshape(by_position), rows).reshape(-1)

        best, _ = search_constant(
            (candidate.reshape(-1) for candidate in candidates),
            lambda flat: self.loss(flat.reshape(by_position), rows),
            flat_slope,
            np.broadcast_to(self.spread, by_position).reshape(-1),
            most=MOST_SEARCHED,
        )
        return best.reshape(by_position)


def _candidates(
    y: Array, shape: tuple[int, ...], graph: OutputGraph, pseudo: float
) -> Iterator[Floats]:
    """Means, medians and class shares at each position."""
    answers = (len(y), *shape[1:])
    if y.dtype.kind not in "fiub":
        return
    if is_class_index(y, answers):
        indices = y.reshape(answers[:-1]).astype(np.int64)
        shares = [np.mean(indices == unit, axis=0) for unit in range(shape[-1])]
        yield from from_shares(_with_pseudo(np.stack(shares, axis=-1), len(y), pseudo), graph)
        return
    values = values_per_answer(y, answers)
    if values is None:
        return
    means = _with_pseudo(values.mean(axis=0), len(y), pseudo)
    for typical in (means, np.median(values, axis=0)):
        made = inverse(typical, graph)
        if made is not None:
            yield made
    if values.min() >= 0 and values.max() <= 1:
        yield from from_shares(means, graph)


def _with_pseudo(means: Floats, samples: int, pseudo: float) -> Floats:
    """Means over samples [position, ..., unit] with `pseudo` samples of the mean over positions."""
    overall = means.reshape(-1, means.shape[-1]).mean(axis=0)
    result: Floats = (samples * means + pseudo * overall) / (samples + pseudo)
    return result
