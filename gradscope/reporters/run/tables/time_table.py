"""Delta of recurrent layers over their time steps as data: one row per layer, for every form."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves import through_time
from gradscope.analyzer.curves.through_time import TimeProfile
from gradscope.analyzer.theory.drawn_profile import DrawnLimits, time_limits
from gradscope.message_text import counted
from gradscope.reporters.layout.character_plots import LogScale, sparkline
from gradscope.reporters.layout.numbers import interval, number, ratio
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import Report

TITLE = "Gradient through time, from the time step read first to the last"


@dataclass(frozen=True)
class TimeRow:
    """One recurrent layer: rms of dL/dh_t over its largest at each time step, as it reads them.

    `heights` are positions on a log axis, 0 to 1, and NaN where there is no figure.
    """

    name: str
    heights: tuple[float, ...]
    text: str

    def strip(self, width: int, *, unicode: bool) -> str:
        """The row in at most `width` characters."""
        return sparkline(self.heights, width, unicode, span=(0.0, 1.0))


@dataclass(frozen=True)
class TimeTable:
    """The rows in depth order, none for a network without recurrent layers, and their legend."""

    rows: tuple[TimeRow, ...]
    legend: str


def time_table(report: Report) -> TimeTable:
    """Make one row per recurrent layer that was followed through time."""
    profiles = [
        p for p in through_time.time_profiles(report.record) if np.isfinite(p.typical).any()
    ]
    scale = LogScale.covering([float(value) for p in profiles for value in p.typical])
    drawn = time_limits(report.record)
    rows = tuple(_row(profile, scale, drawn.get(profile.layer.name)) for profile in profiles)
    legend = (
        "rms of dL/dh_t, the loss's derivative by the state with all that comes back from later "
        f"time steps, over its largest; log scale {scale}. Geometric means over the last quarter "
        "of the steps."
    )
    if not all(profile.only_last for profile in profiles):
        legend += (
            " A layer that gives every state may get the loss at each, which hides how little "
            "comes back from later ones."
        )
    if any(math.isnan(height) for row in rows for height in row.heights):
        legend += " !: no sample counts there, or no figure is finite."
    return TimeTable(rows, legend)


def _row(profile: TimeProfile, scale: LogScale, drawn: DrawnLimits | None) -> TimeRow:
    typical = profile.typical
    first = typical[np.isfinite(typical)][0]
    text = (
        f"{counted(len(typical), 'time step')}: first {number(first)}, "
        f"{ratio(profile.rate_going_back)} per step back"
    )
    if drawn is not None and np.isfinite(drawn.centre[0]):
        band = interval((float(drawn.low[0]), float(drawn.high[0])))
        text += f"; draws, at the start: first {number(drawn.centre[0])} ({band})"
    text += "" if profile.only_last else ", gives every state"
    heights = (scale.fraction(value) if np.isfinite(value) else math.nan for value in typical)
    return TimeRow(printable(profile.layer.name), tuple(heights), text)
