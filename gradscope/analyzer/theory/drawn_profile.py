"""Bands of profiles over depth, from draws of the weights: as the measured ones are computed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from gradscope.analyzer.curves import through_time
from gradscope.analyzer.curves.depth_profile import depth_profile
from gradscope.analyzer.theory.drawn_expectation import band_of
from gradscope.analyzer.theory.expectation import NARROWEST_DEVIATION
from gradscope.record import RunRecord
from gradscope.record.initial_draws import LAYER_FIGURES, TIMES
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
    times = _by_layer(record, draws.figures[TIMES]) if TIMES in draws.figures else {}
    steps = np.arange(1 + draws.count, dtype=np.int64)
    return replace(record, steps=steps, series=series, recurrent_delta=times)


def _by_layer(record: RunRecord, figures: Floats) -> dict[str, Floats]:
    """The figures of all time steps [1 + draw, time step] by the names of their layers."""
    timed = [layer for layer in record.layers if layer.time_steps]
    lengths = [layer.time_steps or 0 for layer in timed]
    if not timed or sum(lengths) != figures.shape[1]:
        return {}
    parts = np.split(figures, np.cumsum(lengths)[:-1], axis=1)
    return {layer.name: part for layer, part in zip(timed, parts, strict=True)}


def time_limits(record: RunRecord) -> dict[str, DrawnLimits]:
    """What `TimeProfile.relative` shows of the draws, by the names of the recurrent layers.

    Each band is that of all time steps of its layer together, and ends at 1, the largest. Empty for
    a record without draws.
    """
    if record.draws is None or record.draws.count < 2:
        return {}
    profiles = through_time.time_profiles(drawn_rows(record))
    limits = {}
    for profile in profiles:
        drawn = drawn_limits(profile.relative)[0]
        limits[profile.layer.name] = replace(drawn, high=np.minimum(drawn.high, 1.0))
    return limits


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
