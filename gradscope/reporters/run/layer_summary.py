"""A few numbers per layer and statistic that stand for all recorded steps, in result.json."""

from __future__ import annotations

from typing import Any

import numpy as np

from gradscope.analyzer.curves.window import geometric_mean, last_quarter, median
from gradscope.record import STATISTICS, RunRecord
from gradscope.record.run_record import Floats, Integers
from gradscope.record.statistics import OverSteps


def layer_summary(record: RunRecord) -> dict[str, Any]:
    """Statistic -> a list per figure with one number per layer; measured statistics only.

    ``typical`` is taken over the last quarter of the recorded steps as `Statistic.over_steps` says;
    the other figures over all recorded steps. What is not finite is left out of all of them.
    """
    return {
        name: figures
        for name in STATISTICS
        if (figures := _figures(name, record.series[name], record.steps))
    }


def _figures(name: str, values: Floats, steps: Integers) -> dict[str, Any]:
    finite = np.isfinite(values)
    if not finite.any():
        return {}
    known: Floats = np.where(finite, values, np.nan)
    window = known[last_quarter(steps)]
    last = _end(known[::-1], finite[::-1])
    match STATISTICS[name].over_steps:
        case OverSteps.GEOMETRIC_MEAN:
            typical = geometric_mean(window)
        case OverSteps.MEDIAN:
            typical = median(window)
        case OverSteps.LATEST:
            typical = last
    return {
        "measured": finite.sum(axis=0),
        "first": _end(known, finite),
        "last": last,
        "typical": typical,
        "minimum": np.where(
            finite.any(axis=0), np.where(finite, values, np.inf).min(axis=0), np.nan
        ),
        "maximum": np.where(
            finite.any(axis=0), np.where(finite, values, -np.inf).max(axis=0), np.nan
        ),
    }


def _end(values: Floats, finite: Any) -> Floats:
    """The first finite value of each layer."""
    first: Floats = values[np.argmax(finite, axis=0), np.arange(values.shape[1])]
    return first
