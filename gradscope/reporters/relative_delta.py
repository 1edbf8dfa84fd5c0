"""The gradient that the table and the figures show: delta over that of the last hidden layer."""

from __future__ import annotations

import numpy as np

from gradscope.record import Role, RunRecord
from gradscope.record.run_record import Floats


def relative_delta(record: RunRecord) -> Floats:
    """Rms of a unit's delta over that of the last measured hidden layer, [step, layer].

    A unit that stands at several positions (pixels, time steps) has a delta at each: they add up in
    quadrature, as in the verdicts.
    """
    positions = np.array([layer.positions for layer in record.layers], np.float64)
    rms: Floats = np.sqrt(record.series["delta_second_moment"] * positions)
    hidden = record.indices(Role.HIDDEN) or record.indices(Role.OUTPUT)
    if not hidden:
        return np.full_like(rms, np.nan)
    with np.errstate(all="ignore"):
        result: Floats = rms / rms[:, hidden[-1], None]
    result[~np.isfinite(result)] = np.nan
    return result
