"""A record as rows of step, layer, statistic and value."""

from __future__ import annotations

import importlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from gradscope.catalog.weight_promises import WeightPromise
from gradscope.errors import BadRequest
from gradscope.message_text import did_you_mean
from gradscope.record.initial_weights import InitialWeight
from gradscope.record.layers import LayerInfo
from gradscope.record.statistics import STATISTICS

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]


class Recorded(Protocol):
    """What is read of a `RunRecord`, which offers `to_frame` and so cannot be imported here."""

    @property
    def layers(self) -> tuple[LayerInfo, ...]:
        """The layers, in the order of the columns of every series."""

    @property
    def initial_weights(self) -> tuple[InitialWeight, ...]:
        """The weight matrices before the first update."""

    @property
    def steps(self) -> Integers:
        """The recorded steps."""

    @property
    def series(self) -> Mapping[str, Floats]:
        """Statistic -> [step, layer]."""

    @property
    def scalars(self) -> dict[str, Floats]:
        """Scalar -> [step]."""


NETWORK = ""
"""The layer of a scalar, which is of the whole network: loss, accuracy, learning rate."""

VARIANCE_RATIO, VARIANCE, LIMIT = (
    *("weight_variance_ratio", "promised_weight_variance", "promised_weight_limit"),
)
PROMISED: dict[str, str] = {
    VARIANCE_RATIO: "weight_variance over promised_weight_variance, at every step",
    VARIANCE: "variance that the initializer promises of the kernel, at step 0",
    LIMIT: "largest distance from the mean that the initializer allows, at step 0: "
    "sqrt(3 variance) of a uniform law",
}
"""What the initializers of a layer promise: name -> definition. A kernel of several matrices has
the mean of their variances over all entries, and no limit unless all have the same."""

_MOMENT = "_second_moment"
_STEPS_AT_ONCE = 1000
"""Steps per block: 100 layers x 30 statistics of float64 take 24 MB."""


@dataclass(frozen=True)
class Block:
    """Values of one statistic at several steps: `values` is [step, layer], NaN not measured."""

    statistic: str
    steps: Integers
    layers: tuple[str, ...]
    values: Floats

    def rows(self) -> Iterator[tuple[int, str, str, float]]:
        """(step, layer, statistic, value) of everything that was measured."""
        steps, layers = np.nonzero(~np.isnan(self.values))
        for row, column in zip(steps.tolist(), layers.tolist(), strict=True):
            yield (
                int(self.steps[row]),
                self.layers[column],
                self.statistic,
                float(self.values[row, column]),
            )


def statistic_names(record: Recorded) -> tuple[str, ...]:
    """All names that `blocks` takes.

    Each second moment is there as its root too: ``delta_rms`` is the root of
    ``delta_second_moment``. Of the initializers there are the names of `PROMISED`.
    """
    roots = [_root_name(name) for name in STATISTICS if name.endswith(_MOMENT)]
    return (*STATISTICS, *roots, *PROMISED, *record.scalars)


def blocks(
    record: Recorded,
    *,
    statistics: Sequence[str] | None = None,
    layers: Sequence[str] | None = None,
    steps: Sequence[int] | None = None,
) -> Iterator[Block]:
    """The chosen part of a record, statistic after statistic; None takes everything.

    Everything is every statistic of `STATISTICS` that was measured, and the scalars. Memory stays
    flat: a block holds at most a thousand steps. Raises `BadRequest` for a name or a step that the
    record does not have.
    """
    _check("statistic", statistics, statistic_names(record))
    _check("layer", layers, [layer.name for layer in record.layers])
    _check("step", steps, record.steps.tolist())
    chosen = statistics if statistics is not None else (*STATISTICS, *record.scalars)
    rows = np.arange(len(record.steps))
    if steps is not None:
        rows = rows[np.isin(record.steps, steps)]
    for name in chosen:
        if name in record.scalars and layers is not None:
            continue
        for start in range(0, len(rows), _STEPS_AT_ONCE):
            block = _block(record, name, layers, rows[start : start + _STEPS_AT_ONCE])
            if not np.isnan(block.values).all():
                yield block


def to_frame(record: Recorded, *, statistics: Sequence[str] | None = None) -> Any:
    """The rows as a pandas data frame with the columns step, layer, statistic, value.

    Raises `BadRequest` where pandas is not installed.
    """
    pandas = _library("pandas")
    columns: dict[str, list[Any]] = {"step": [], "layer": [], "statistic": [], "value": []}
    for block in blocks(record, statistics=statistics):
        rows, names = np.nonzero(~np.isnan(block.values))
        columns["step"].append(block.steps[rows])
        columns["layer"].append(np.array(block.layers, object)[names])
        columns["statistic"].append(np.full(len(rows), block.statistic, object))
        columns["value"].append(block.values[rows, names])
    joined: dict[str, Any] = {
        name: np.concatenate(parts) if parts else [] for name, parts in columns.items()
    }
    return pandas.DataFrame(joined)


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise BadRequest(f"{name} is not installed", f"pip install {name}") from error


def _root_name(moment: str) -> str:
    return f"{moment.removesuffix(_MOMENT)}_rms"


def _block(record: Recorded, name: str, layers: Sequence[str] | None, rows: Integers) -> Block:
    steps = record.steps[rows]
    if name in record.scalars:
        return Block(name, steps, (NETWORK,), record.scalars[name][rows][:, np.newaxis])
    names = [layer.name for layer in record.layers]
    columns = [i for i, layer in enumerate(names) if layers is None or layer in layers]
    if name in PROMISED:
        values = _against_promise(record, name, rows)[:, columns]
        return Block(name, steps, tuple(names[i] for i in columns), values)
    stored = name in STATISTICS
    series = record.series[name if stored else f"{name.removesuffix('_rms')}{_MOMENT}"]
    values = series[rows][:, columns]
    return Block(
        name, steps, tuple(names[i] for i in columns), values if stored else np.sqrt(values)
    )


def _against_promise(record: Recorded, name: str, rows: Integers) -> Floats:
    """One of `PROMISED` at some rows of the record: [step, layer]."""
    promised = np.array([_promised(record, layer.name, name) for layer in record.layers])
    if name == VARIANCE_RATIO:
        variances = record.series["weight_variance"][rows]
        return np.where(promised > 0.0, variances / np.where(promised > 0.0, promised, 1.0), np.nan)
    start = record.steps[rows] == 0
    return np.where(start[:, np.newaxis], promised, np.nan)


def _promised(record: Recorded, layer: str, name: str) -> float:
    """Variance or limit of a layer's kernel by its initializers; NaN where one is not known."""
    made: list[WeightPromise] = []
    for weight in record.initial_weights:
        if weight.layer == layer:
            if weight.promise is None:
                return math.nan
            made.append(weight.promise)
    if not made:
        return math.nan
    if name == LIMIT:
        limits = {each.limit for each in made}
        (limit,) = limits if len(limits) == 1 else (None,)
        return math.nan if limit is None else limit
    return float(np.average([e.variance for e in made], weights=[e.count for e in made]))


def _check(what: str, chosen: Sequence[Any] | None, available: Sequence[Any]) -> None:
    """Refuse what the record does not have, with the nearest name."""
    for item in chosen or ():
        if item not in available:
            raise BadRequest(f"the record has no {what} {item!r}", _nearest(item, available))


def _nearest(item: Any, available: Sequence[Any]) -> str:
    if not available:
        return "it is empty"
    if isinstance(item, int):
        below = max((step for step in available if step < item), default=available[0])
        above = min((step for step in available if step > item), default=available[-1])
        return f"recorded are {len(available)} steps; the nearest are {below} and {above}"
    return did_you_mean(item, available) or f"it has {', '.join(available[:20])}"
