"""GS104: layers whose weights stay where they are."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratios, window
from gradscope.analyzer.detectors import NotMeasured, detector
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
    update = record.series["update_ratio"][:, list(indices)]
    if np.isnan(update).all():
        raise NotMeasured("no update was made")
    typical = np.nanmedian(np.where(np.isfinite(update), update, np.nan)[1:], axis=0)
    still = update[window.last_rows(record)] < threshold
    sick = [i for i in range(len(indices)) if np.mean(still[:, i]) >= 0.5]
    if not sick:
        return ()
    names = tuple(record.layers[indices[i]].name for i in sick)
    holds = np.all(np.nan_to_num(update[:, sick], nan=0.0) < threshold, axis=1)
    spell = window.spell(record, holds)
    observed = float(np.min(typical[sick]))
    all_of_them = len(sick) == len(indices)
    message = (
        f"{'All layers' if all_of_them else ratios.span(names)} stand still: the update is "
        f"{observed:.2g} of the weights (rms), below what float32 can add, {spell.words}."
    )
    return (
        Finding(
            severity="error",
            layers=names,
            since_step=spell.since_step,
            until_step=int(record.steps[-1]),
            observed=observed,
            threshold=threshold,
            message=message,
            evidence=window.evidence(
                record,
                n=min(record.layers[indices[i]].parameters for i in sick),
                values=update[:, sick].min(axis=1),
            ),
        ),
    )
