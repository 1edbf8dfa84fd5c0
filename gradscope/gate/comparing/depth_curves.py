"""Signal and delta over depth on both sides of a comparison, for whoever draws them."""

from __future__ import annotations

import warnings

import numpy as np

from gradscope.gate import difference_text
from gradscope.gate.baselines.seed_statistics import SeedStatistics, Series
from gradscope.gate.check import DepthCurve, DepthCurves
from gradscope.gate.comparing.alignment import align
from gradscope.record import Role
from gradscope.record.run_record import Floats

QUANTITIES = ("delta", "signal")


def depth_curves(before: SeedStatistics, after: SeedStatistics) -> tuple[DepthCurves, ...]:
    """The curves of the baseline `before` and of `after` over the layers of `after`.

    At initialisation, and in training where both sides were trained for as many steps.
    """
    counterparts = {new: old for old, new in align(before.layers, after.layers).pairs}
    columns = [
        layer.index
        for layer in after.layers
        if layer.measured and layer.role in (Role.HIDDEN, Role.OUTPUT)
    ]
    earlier = [counterparts.get(index) for index in columns]
    names = tuple(after.layers[index].name for index in columns)
    moments = [(False, before.initial, after.initial)]
    if before.trained_seeds and after.trained_seeds and before.steps == after.steps:
        moments.append((True, before.trained, after.trained))
    return tuple(
        DepthCurves(
            quantity, trained, names, _curve(old, quantity, earlier), _curve(new, quantity, columns)
        )
        for trained, old, new in moments
        for quantity in QUANTITIES
    )


def _curve(series: Series, quantity: str, columns: list[int] | list[int | None]) -> DepthCurve:
    """The rms of each column, NaN for one that has no counterpart."""
    values = series[quantity]
    absent = np.full(len(values), np.nan)
    chosen = [values[:, column] if column is not None else absent for column in columns]
    figures = np.array(chosen).reshape(len(columns), len(values))
    with warnings.catch_warnings(), np.errstate(invalid="ignore"):
        warnings.simplefilter("ignore", RuntimeWarning)  # a layer that no seed has measured
        typical, low, high = (
            _rms(of_seeds(figures, axis=1)) for of_seeds in (np.nanmean, np.nanmin, np.nanmax)
        )
    return DepthCurve(typical, low, high, len(values))


def _rms(logarithms: Floats) -> tuple[float, ...]:
    return tuple(difference_text.rms(float(value)) for value in logarithms)
