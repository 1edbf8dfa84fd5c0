"""The gradient that the table and the figures show: delta over that of the last hidden layer."""

from __future__ import annotations

import numpy as np

from gradscope.record import RunRecord
from gradscope.record.run_record import Floats


def relative_delta(record: RunRecord) -> Floats:
    """Rms of a unit's delta over that of the last measured hidden layer, [step, layer].

    A unit that stands at several places (pixels, time steps) has a delta at each: they add up in
    quadrature, as in the verdicts.
    """
    places = np.array([layer.places for layer in record.layers], np.float64)
    rms: Floats = np.sqrt(record.series["delta_second_moment"] * places)
    hidden = record.indices("hidden") or record.indices("output")
    if not hidden:
        return np.full_like(rms, np.nan)
    with np.errstate(all="ignore"):
        result: Floats = rms / rms[:, hidden[-1], None]
    result[~np.isfinite(result)] = np.nan
    return result
