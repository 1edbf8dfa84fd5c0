"""Figures of targets and answers at the start, in numpy."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from gradscope.record.run_record import Floats
from gradscope.runner.objective.output_graph import FactNotMeasured, OutputGraph
from gradscope.runner.objective.right_answers import values_per_answer

Array = npt.NDArray[Any]

MOST_CHOSEN_ON = 4096
"""Samples on which the constant answer is chosen, all at once."""

MOST_VALUES = 2**22
"""Answers of these samples together: 16 MB of float32."""

SATURATED = 1e-3
"""Distance from a bound, over the distance between the bounds, at which an answer counts as
saturated: the slope of a sigmoid is a 250th of its largest there."""


def rms(values: Array) -> float:
    """Root of the mean square, in float64."""
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def deviation(values: Array) -> float:
    """Rms of the deviation from sample to sample, in float64."""
    return rms(values.astype(np.float64) - values.mean(axis=0, dtype=np.float64))


def wide(tensor: Any) -> Array:
    """At least float32: numpy cannot compute with bfloat16."""
    values: Array = np.asarray(tensor)
    return values.astype(np.float32) if values.dtype.itemsize < 4 else values


def tensors_of(tree: Any) -> Any:
    """Every array as a tensor; None for None."""
    return None if tree is None else keras.tree.map_structure(tf.convert_to_tensor, tree)


def one_array(y: Any) -> Array:
    """The one array of the targets `y`; raises `FactNotMeasured` for several."""
    flat = keras.tree.flatten(y)
    if len(flat) != 1:
        raise FactNotMeasured(f"there are {len(flat)} arrays of targets")
    return np.asarray(flat[0])


def rows_of(tree: Any, rows: Any) -> Any:
    """These rows of every array; None for None."""
    if tree is None:
        return None
    return keras.tree.map_structure(lambda leaf: np.asarray(leaf)[rows], tree)


def subset(samples: int, width: int) -> npt.NDArray[np.int64]:
    """The samples on which the constant is chosen."""
    most = max(1, min(MOST_CHOSEN_ON, MOST_VALUES // max(1, width)))
    return np.arange(samples) if samples <= most else drawn(samples, most)


def drawn(count: int, most: int) -> npt.NDArray[np.int64]:
    """The same `most` of `count` positions at every call, in order."""
    return np.sort(np.random.default_rng(0).choice(count, most, replace=False))


def spread(y: Array, shape: tuple[int, ...], units: int) -> Floats:
    """Standard deviation of the targets per unit; 1 where they are classes or do not vary."""
    values = values_per_answer(y, (len(y), *shape[1:])) if y.dtype.kind in "fiub" else None
    if values is None:
        return np.ones(units)
    deviation = values.reshape(-1, units).std(axis=0)
    return np.where(deviation > 0, deviation, 1.0)


def differs(one: Array, other: Array) -> npt.NDArray[np.bool_]:
    """Which samples have other targets."""
    different: npt.NDArray[np.bool_] = np.any((one != other).reshape(len(one), -1), axis=1)
    return different


def most_moved(y: Array) -> npt.NDArray[np.int64]:
    """The permutation, of eight, that gives most samples another target."""
    random = np.random.default_rng(0)
    orders = [random.permutation(len(y)) for _ in range(8)]
    moved = [int(np.count_nonzero(differs(y, y[order]))) for order in orders]
    if not max(moved):
        raise FactNotMeasured("all targets of the first batch are the same")
    return orders[int(np.argmax(moved))]


def saturated(answers: Array, graph: OutputGraph) -> float | None:
    """Share of the answers next to a bound; of a softmax, share of the samples."""
    if graph.bounds is None:
        return None
    low, high = graph.bounds
    edge = SATURATED * (high - low)
    if graph.activation == "softmax":
        return float(np.mean(answers.max(axis=-1) >= high - edge))
    return float(np.mean((answers <= low + edge) | (answers >= high - edge)))
