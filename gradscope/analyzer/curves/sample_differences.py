"""How much samples differ from each other, as they come in and behind each layer."""

from __future__ import annotations

import math

import numpy as np

from gradscope.record import RunRecord
from gradscope.record.run_record import Floats

ALIKE = 0.02
"""Difference of samples over their size below which the input is the cause, a judgement: images
in [-1, 1] behind a scaling made for 0 to 255 differ by 0.004."""


def differences(record: RunRecord) -> Floats:
    """Deviation of a unit over the batch over the rms of the activations, [step, layer]."""
    size = record.series["activation_second_moment"]
    variance = record.series["activation_sample_variance"]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.sqrt(np.where((size > 0) & np.isfinite(size), variance / size, np.nan))


def alike_inputs(record: RunRecord) -> str:
    """That the samples come in alike, as a sentence; "" where they do not.

    A layer without weights in front of all others tells how they come in: data that was scaled
    before leaves a model's own scaling as a constant with a little on top. Else the data tells.
    """
    if not len(record.steps) or record.steps[0] != 0:
        return ""
    data, ratio = record.data, differences(record)
    first = next((x for x in record.layers if np.isfinite(ratio[0, x.index])), None)
    if first is not None and not first.weighted:
        differs, where = float(ratio[0, first.index]), f", at {first.name}"
    else:
        differs = math.sqrt(max(1.0 - data.mean**2 / (data.second_moment or math.inf), 0.0))
        where = ""
    if not differs < ALIKE:
        return ""
    return f"The input itself differs by {differs:.2g} of its size{where}: is it scaled twice?"
