"""The steps that a verdict rests on, and since when a condition holds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.record.run_record import Floats, Integers

LAST_SHARE = 0.25
"""The window a verdict on the trained network rests on: the last quarter of the recorded steps,
long enough to average out the noise of single batches, short enough to describe the end."""

FEWEST_ROWS = 8
"""Rows of the last quarter where steps are recorded densely at first and then sparsely: at fewer, a
mean over single batches says little. `fit.cadence` keeps that many in it."""


@dataclass(frozen=True)
class Occurrence:
    """When a condition held: at initialisation, at the end, and since which step until the end.

    `counted` are how many of how many last steps, where it came and went.
    """

    at_initialisation: bool
    at_end: bool
    since_step: int
    until_step: int
    counted: tuple[int, int] | None = None

    def __bool__(self) -> bool:
        return self.at_initialisation or self.at_end

    @property
    def text(self) -> str:
        """When, as a clause of a message."""
        if self.at_end and self.counted is not None:
            return f"on and off, in {self.counted[0]} of the last {self.counted[1]} recorded steps"
        if self.at_end and self.since_step == 0:
            return "since initialisation"
        if self.at_end:
            return f"since step {self.since_step}"
        return f"at initialisation, recovered after step {self.until_step}"


def last_quarter(steps: Integers) -> slice:
    """Rows of the last quarter of the recorded `steps`, at least one.

    Where the recorded steps get sparser, a quarter of the rows is more than a quarter of the time:
    only the rows of the last quarter of the time are given then, but `FEWEST_ROWS` if there are.
    """
    count = len(steps)
    rows = max(1, int(np.ceil(count * LAST_SHARE)))
    if count > 1:
        until_end = (int(steps[-1]) - np.asarray(steps, np.int64)) * (count - 1)
        late = int(np.count_nonzero(until_end < rows * int(steps[-1] - steps[0])))
        rows = min(rows, max(late, FEWEST_ROWS))
    return slice(count - rows, count)


def occurrence(steps: Integers, holds: npt.NDArray[np.bool_]) -> Occurrence:
    """Give when `holds` [step] was true; leave the steps that could not be judged out of both.

    At the end means: in at least half of the last quarter of the steps. It began at the first step
    from which it held in nine steps out of ten to the end. Where that is within the last quarter,
    and it holds in fewer of the quarter's, it comes and goes, and began with the first of them.
    """
    if not holds.size:
        return Occurrence(False, False, 0, 0)
    at_start = bool(holds[0] and steps[0] == 0)
    window = last_quarter(steps)
    share, counted = float(np.mean(holds[window])), None
    if share >= 0.5:
        begin = onset(holds)
        if begin >= window.start and share < 0.9:
            begin = window.start + int(np.argmax(holds[window]))
            counted = int(np.count_nonzero(holds[window])), window.stop - window.start
        return Occurrence(at_start, True, int(steps[begin]), int(steps[-1]), counted)
    recovered = int(np.argmin(holds))
    return Occurrence(at_start, False, 0, int(steps[max(0, recovered - 1)]))


def onset(holds: npt.NDArray[np.bool_]) -> int:
    """First true row from which at least nine in ten of the rows to the end are true.

    The last true row where there is no such row.
    """
    remaining = np.cumsum(holds[::-1])[::-1] / np.arange(len(holds), 0, -1)
    good = np.flatnonzero(holds & (remaining >= 0.9))
    return int(good[0]) if good.size else int(np.flatnonzero(holds)[-1])


def typical(values: Floats, steps: Integers) -> Floats:
    """Geometric mean of `values` [step, ...] over the last quarter of `steps`, NaN left out."""
    return geometric_mean(values[last_quarter(steps)])


def geometric_mean(values: Floats) -> Floats:
    """Geometric mean of `values` [step, ...] over its steps, NaN left out.

    Log-variances are Gaussian across batches and seeds, so the mean is taken of logarithms. A zero
    among the values gives zero.
    """
    with np.errstate(divide="ignore"):
        logs = np.log(values)
    counted = ~np.isnan(logs)
    total = np.where(counted, logs, 0.0).sum(axis=0)
    number = counted.sum(axis=0)
    mean: Floats = np.where(number > 0, np.exp(total / np.maximum(number, 1)), np.nan)
    return mean


def median(values: Floats) -> Floats:
    """Median of `values` [step, layer] over its steps, NaN left out; NaN where nothing remains."""
    columns = [column[~np.isnan(column)] for column in values.T]
    return np.array([np.median(column) if column.size else np.nan for column in columns])


def mean(values: Floats) -> Floats:
    """Mean of `values` [step, layer] over its steps, NaN left out; NaN where nothing remains."""
    measured = ~np.isnan(values)
    total: Floats = np.where(measured, values, 0.0).sum(axis=0)
    count = measured.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
