"""The best answer that is the same for every sample, for any loss that can be called with one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record.run_record import Floats
from gradscope.runner.objective.output_graph import OutputGraph
from gradscope.runner.objective.right_answers import inverse, is_class_index, values_per_answer

Array = npt.NDArray[Any]

MOST_SEARCHED = 64
"""Units up to which the best constant is searched; with more the best of the candidates is taken,
since each step of the search costs a loss and its gradient."""

SEARCH_STEPS = 40
"""Most iterations of that search: a convex loss of a few numbers needs about ten."""

_SMALLEST_SHARE = 1e-7
"""Keras's epsilon: it clips probabilities there."""


def constant_candidates(
    y: Array, shape: tuple[int, ...], graph: OutputGraph, start: Floats
) -> Iterator[Floats]:
    """Pre-activations [unit] that may be the best constant: of means, medians, class shares, zero.

    `shape` is that of the answers of one batch, `start` the mean pre-activation of the network as
    initialised.
    """
    units = shape[-1] if len(shape) > 1 else 1
    yield np.zeros(units)
    yield start
    if y.dtype.kind not in "fiub":
        return
    if is_class_index(y, (len(y), *shape[1:])):
        shares = np.bincount(y.reshape(-1).astype(np.int64), minlength=units) / y.size
        yield from from_shares(shares, graph)
        return
    values = values_per_answer(y, (len(y), *shape[1:]))
    if values is None:
        return
    flat = values.reshape(-1, units)
    for typical in (flat.mean(axis=0), np.median(flat, axis=0)):
        made = inverse(typical, graph)
        if made is not None:
            yield made
    if flat.min() >= 0 and flat.max() <= 1:
        yield from from_shares(flat.mean(axis=0), graph)


def from_shares(shares: Floats, graph: OutputGraph) -> Iterator[Floats]:
    """The logits of a softmax and of sigmoids that answer with these shares."""
    inner = np.clip(shares, _SMALLEST_SHARE, 1.0 - _SMALLEST_SHARE)
    if graph.activation in ("softmax", "linear"):
        yield np.log(inner)
    if graph.activation in ("sigmoid", "linear"):
        yield np.log(inner / (1.0 - inner))
    if graph.activation == "linear":
        yield shares


def search_constant(
    candidates: Iterator[Floats],
    loss: Callable[[Floats], float],
    slope: Callable[[Floats], Floats] | None,
    spread: Floats,
    *,
    most: int = MOST_SEARCHED,
) -> tuple[Floats, float]:
    """The best of the candidates and, where a `slope` is given, the minimum next to it.

    `spread` is the size of the answers per unit, in which the search takes its steps; more than
    `most` are not searched. The loss is NaN where no candidate has a finite one.
    """
    best, least = np.zeros_like(spread), math.nan
    for candidate in candidates:
        value = loss(candidate)
        if math.isfinite(value) and not value >= least:
            best, least = candidate, value
    if slope is None or math.isnan(least) or len(spread) > most:
        return best, least
    from scipy.optimize import minimize  # 0.2 s, for losses of the user's own alone

    origin = best
    result = minimize(
        lambda t: loss(origin + t * spread),
        np.zeros_like(spread),
        jac=lambda t: slope(origin + t * spread) * spread,
        method="L-BFGS-B",
        options={"maxiter": SEARCH_STEPS},
    )
    if math.isfinite(result.fun) and result.fun < least:
        return origin + result.x * spread, float(result.fun)
    return best, least
