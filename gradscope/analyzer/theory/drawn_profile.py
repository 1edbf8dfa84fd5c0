"""Bands of profiles over depth, from draws of the weights: as the measured ones are computed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.theory.drawn_expectation import band_of
from gradscope.analyzer.theory.expectation import NARROWEST_DEVIATION
from gradscope.record import RunRecord
from gradscope.record.initial_draws import LAYER_FIGURES
from gradscope.record.run_record import Floats


@dataclass(frozen=True)
class DrawnLimits:
    """Rms at the centre of the draws, and the ends of their band, one value per layer.

    Where a figure has no scatter, as at the layer that others are compared with, all three are
    equal; they are NaN where a draw has no figure.
    """

    centre: Floats
    low: Floats
    high: Floats


def drawn_rows(record: RunRecord) -> RunRecord:
    """`record` with its draws in place of its steps, the model's own weights first.

    Raises ValueError for a record without draws.
    """
    draws = record.draws
    if draws is None or draws.count < 2:
        raise ValueError("the weights were not drawn again")
    nothing = np.full((1 + draws.count, len(record.layers)), np.nan)
    series = dict.fromkeys(record.series, nothing)
    series |= {name: draws.figures[name] for name in LAYER_FIGURES}
    return replace(record, steps=np.arange(1 + draws.count, dtype=np.int64), series=series)


def depth_limits(record: RunRecord) -> dict[str, DrawnLimits]:
    """What `depth_profile` shows of the draws: its `signal` and its `gradient_relative` (`delta`).

    Raises ValueError for a record without draws.
    """
    profile = depth_profile(drawn_rows(record))
    signal, delta = drawn_limits(profile.signal, profile.gradient_relative)
    return {"signal": signal, "delta": delta}


def drawn_limits(*tables: Floats) -> list[DrawnLimits]:
    """The limits of rms figures [1 + draw, layer]; 99 % of starts lie inside with all of them."""
    with np.errstate(all="ignore"):
        bands = [band_of(2.0 * np.log(table)) for table in tables]
    usable = [np.nan_to_num(band.deviation) >= NARROWEST_DEVIATION for band in bands]
    comparisons = max(1, sum(int(np.count_nonzero(known)) for known in usable))
    limits = []
    for band, known in zip(bands, usable, strict=True):
        centre = np.exp(0.5 * band.centre)
        ends = band.limits(comparisons=comparisons)
        low, high = (np.where(known, np.sqrt(end), centre) for end in ends)
        limits.append(DrawnLimits(centre, low, high))
    return limits
