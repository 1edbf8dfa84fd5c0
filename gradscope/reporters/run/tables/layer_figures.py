"""The figures of the layer table: one number per layer from the recorded steps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from gradscope.analyzer.curves.depth_profile import relative_delta
from gradscope.analyzer.curves.window import last_quarter, median, typical
from gradscope.record import STATISTICS, Role, RunRecord
from gradscope.record.run_record import Floats
from gradscope.record.statistics import MeasuredAt, NumberForm, OverSteps, columns, measured_at

SIGNAL, GRADIENT = "preactivation_second_moment", "delta_second_moment"
FIGURES = {name: column for name, column in columns().items() if name not in (SIGNAL, GRADIENT)}
"""The columns beside signal and gradient, by the name of their statistic, from left to right."""

_BATCH_NORM = measured_at(MeasuredAt.BATCH_NORM)


def layer_figures(record: RunRecord, *, gains: bool) -> dict[str, Floats]:
    """Every figure of the table by name, [layer]; the gains are NaN unless `gains`.

    The names are those of `FIGURES` and of the batch norm statistics, ``signal``, ``gradient``,
    ``signal_gain`` and ``gradient_gain``.
    """
    finite = _before_nonfinite(record)
    window = last_quarter(finite.steps)
    figures = {name: _over_steps(name, finite, window) for name in FIGURES}
    figures |= {name: median(finite.series[name][window]) for name in _BATCH_NORM}
    return figures | _profile(finite, gains=gains)


def _over_steps(name: str, record: RunRecord, window: slice) -> Floats:
    """One number per layer from the values [step, layer] of a statistic with a column."""
    values = record.series[name]
    if FIGURES[name].form is NumberForm.RMS:
        values = np.sqrt(values)
    match STATISTICS[name].over_steps:
        case OverSteps.GEOMETRIC_MEAN:
            return typical(values, record.steps)
        case OverSteps.LATEST:
            return latest(values)
        case OverSteps.MEDIAN:
            return median(values[window])


def _profile(record: RunRecord, *, gains: bool) -> dict[str, Floats]:
    """Rms over depth, and its gains: signal over the layer before, gradient over the layer after.

    The verdicts use the same figures. They are geometric means, so their ratios are the typical
    ratios, and the product of the gains is the ratio of the ends.
    """
    signal = typical(np.sqrt(record.series[SIGNAL]), record.steps)
    gradient = typical(relative_delta(record), record.steps)
    signal_gain, gradient_gain = np.full_like(signal, np.nan), np.full_like(gradient, np.nan)
    hidden = record.indices(Role.HIDDEN) if gains else ()
    stack = (*hidden, *record.indices(Role.OUTPUT)) if gains else ()
    with np.errstate(all="ignore"):
        for before, after in pairwise(stack):
            signal_gain[after] = signal[after] / signal[before]
        for before, after in pairwise(hidden):
            gradient_gain[before] = gradient[before] / gradient[after]
    return {
        "signal": signal,
        "signal_gain": np.where(np.isfinite(signal_gain), signal_gain, np.nan),
        "gradient": gradient,
        "gradient_gain": np.where(np.isfinite(gradient_gain), gradient_gain, np.nan),
    }


def latest(values: Floats) -> Floats:
    """The last finite value of each layer: the probe set is not measured at every step."""
    latest = np.full(values.shape[1:], np.nan)
    for row in values:
        latest = np.where(np.isfinite(row), row, latest)
    return latest


def nonfinite_since(record: RunRecord, index: int) -> int | None:
    """The first recorded step at which the layer held a NaN or an Inf, or None."""
    counts = record.series["nonfinite_count"][:, index]
    where = np.flatnonzero(np.nan_to_num(counts) > 0)
    return int(record.steps[where[0]]) if where.size else None


def _before_nonfinite(record: RunRecord) -> RunRecord:
    """The record up to the first non-finite value: later figures have no meaning."""
    broken = np.flatnonzero(np.nansum(record.series["nonfinite_count"], axis=1) > 0)
    if not broken.size or broken[0] == 0:
        return record
    return record.at_rows(slice(int(broken[0])))


def caption(record: RunRecord) -> str:
    """Which steps the figures come from."""
    finite = _before_nonfinite(record)
    steps = finite.steps[last_quarter(finite.steps)]
    if not steps.size:
        return "no step was recorded"
    why = ", before the first non-finite value" if len(finite.steps) < len(record.steps) else ""
    if steps[-1] == 0:
        return f"figures at initialisation, before any update{why}"
    if steps.size == 1:
        return f"figures of step {steps[0]}{why}"
    return (
        f"figures over steps {steps[0]} to {steps[-1]}, the last quarter of those recorded{why}: "
        "geometric means of signal and gradient, medians of the rest"
    )
