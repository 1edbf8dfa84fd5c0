"""Pre-activations whose answers are right: what the loss should be small for."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from gradscope.record import FlatAnswers
from gradscope.runner.objective.output_graph import FactNotMeasured, OutputGraph

Array = npt.NDArray[Any]

SCALES = (1.0, 4.0, 16.0, 64.0)
"""Sizes of a right pre-activation. A loss with smoothed labels is smallest at one of a few units,
others at the largest: from 16 on a softmax or sigmoid is 0 or 1 to seven digits."""

_EDGE = 1e-6
"""Distance from the bounds of an activation at which its inverse is taken."""


def right_preactivations(y: Array, shape: tuple[int, ...], graph: OutputGraph) -> Iterator[Array]:
    """Pre-activations [sample, ..., unit] of `shape` whose answers are the targets `y`.

    Several, since a class is named by any pre-activation of the right sign. Raises
    `FactNotMeasured` where it is not known what a right answer would be.
    """
    if not graph.known:
        raise FactNotMeasured("code of the model's own makes its answers")
    if y.dtype.kind not in "fiub":
        raise FactNotMeasured("the targets are not numbers")
    signs = _signs(y, shape)
    if signs is not None:
        yield from (scale * signs for scale in SCALES)
    values = values_per_answer(y, shape)
    if values is not None:
        preactivation = inverse(values, graph)
        if preactivation is not None:
            yield preactivation
    elif signs is None:
        raise FactNotMeasured(f"targets {y.shape} and answers {shape} differ in shape")


def losses_of_right_answers(
    preactivations: Iterable[Array], loss: Callable[[Array], float]
) -> tuple[float, float]:
    """The smallest loss of right answers, and that of the same answers in another order of samples.

    Raises `FactNotMeasured` where none is finite.
    """
    tried = [(loss(z), z) for z in preactivations]
    finite = [(value, z) for value, z in tried if math.isfinite(value)]
    if not finite:
        raise FactNotMeasured("it is not known which answers are right")
    right, z = min(finite, key=lambda pair: pair[0])
    return right, loss(np.roll(z, 1, axis=0))


def flat_answers(
    z: Array,
    y: Array,
    graph: OutputGraph,
    loss: Callable[[Array], float],
    slope: Callable[[], Array],
) -> FlatAnswers | None:
    """The answers `z` beyond 0 to 1 that have no slope, and what they cost; None without classes.

    For an output without activation: others have flat ends of their own. None as well where some
    answer beyond 0 to 1 has a slope: a loss that is cut off at a distance from the target is flat
    elsewhere, and takes no probabilities.
    """
    signs = _signs(y, z.shape)
    if not graph.known or graph.activation != "linear" or signs is None:
        return None
    flat = (z < 0.0) | (z > 1.0)
    if np.any(slope()[flat] != 0.0):
        return None
    start, right = loss(z), loss(np.maximum(signs, 0.0))
    rest = loss(np.where(flat, np.maximum(signs, 0.0), z))
    return FlatAnswers(float(flat.mean()), start, rest, right)


def is_class_index(y: Array, shape: tuple[int, ...]) -> bool:
    """Whether targets name one of several output units, as indices do."""
    if shape[-1] < 2 or y.shape not in (shape[:-1], (*shape[:-1], 1)):
        return False
    whole = y.dtype.kind in "iub" or bool(np.all(y == np.round(y)))
    return whole and bool(y.min() >= 0) and bool(y.max() < shape[-1])


def _signs(y: Array, shape: tuple[int, ...]) -> Array | None:
    """+1 for the units that should answer, -1 for the others; None where targets are no classes."""
    if is_class_index(y, shape):
        indices = y.reshape(shape[:-1]).astype(np.int64)
        return 2.0 * np.eye(shape[-1])[indices] - 1.0
    values = values_per_answer(y, shape)
    if values is not None and np.all((values == 0) | (values == 1)):
        return 2.0 * values - 1.0
    if values is not None and np.all(np.abs(values) == 1):
        return values
    return None


def values_per_answer(y: Array, shape: tuple[int, ...]) -> Array | None:
    """The targets in the shape of the answers, where they have one value for each."""
    if y.shape == shape or (y.size == np.prod(shape) and y.shape[:1] == shape[:1]):
        return y.reshape(shape).astype(np.float64)
    return None


def inverse(values: Array, graph: OutputGraph) -> Array | None:
    """The pre-activation whose answers are `values`; None where that is not known."""
    if graph.activation == "linear":
        return values
    if graph.activation in ("sigmoid", "softmax") and values.min() >= 0 and values.max() <= 1:
        inner = np.clip(values, _EDGE, 1.0 - _EDGE)
        odds = np.log(inner) if graph.activation == "softmax" else np.log(inner / (1.0 - inner))
        return np.asarray(odds)
    if graph.activation == "tanh" and np.abs(values).max() <= 1:
        return np.asarray(np.arctanh(np.clip(values, _EDGE - 1.0, 1.0 - _EDGE)))
    if graph.activation == "relu" and values.min() >= 0:
        return values
    return None
