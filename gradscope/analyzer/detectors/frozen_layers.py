"""GS104: layers whose weights stay where they are."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Finding, RunRecord

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding to float32: a smaller update is rounded away."""


@detector("GS104", rank=70)
def frozen_layers(record: RunRecord, *, threshold: float = UNIT_ROUNDOFF) -> tuple[Finding, ...]:
    """Tell whether layers stay as they were initialised because no update reaches them.

    Statistic: rms of the change the optimizer really made to a kernel over the rms of the kernel.
    Error below `threshold` in at least half of the last quarter of the steps, on hidden and output
    layers. Default 2^-24, float32's unit roundoff: below it a weight plus its update rounds back
    to the weight, and training cannot move it whatever the number of steps.
    """
    indices = record.indices("hidden", "output")
    made = record.steps > 0
    update = record.series["update_ratio"][made][:, list(indices)]
    if np.isnan(update).all():
        raise NotMeasured("no update was made")
    still = update < threshold
    window_still = still[-max(1, len(still) // 4) :]
    sick = [i for i in range(len(indices)) if np.mean(window_still[:, i]) >= 0.5]
    if not sick:
        return ()
    names = tuple(record.layers[indices[i]].name for i in sick)
    spell = window.spell(record.steps[made], np.mean(still[:, sick], axis=1) >= 0.5)
    observed = float(np.nanmedian(update[-len(window_still) :, sick]))
    where = "All layers" if len(sick) == len(indices) else named(names, sick)
    since = "since the first step" if spell.since_step <= 1 else f"since step {spell.since_step}"
    return (
        Finding(
            severity="error",
            layers=names,
            since_step=spell.since_step,
            until_step=int(record.steps[-1]),
            observed=observed,
            threshold=threshold,
            message=(
                f"Weights stand still in {where}: the update is {observed:.2g} of them (rms), less "
                f"than float32 can add, {since}."
            ),
            evidence=window.evidence(
                record,
                n=min(record.layers[indices[i]].parameters for i in sick),
                values=np.where(made, record.series["update_ratio"][:, indices[sick[0]]], np.nan),
            ),
        ),
    )
