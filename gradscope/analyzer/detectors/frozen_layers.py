"""GS104: layers whose weights stay where they are."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import cut, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Finding, RunRecord

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding to float32: a smaller update is rounded away."""


@detector(
    "GS104",
    rank=70,
    follows=(
        "symmetric_units",
        "vanishing_signal",
        "saturated_units",
        "dead_units",
        "cut_gradient",
        "vanishing_gradient",
        "optimizer_epsilon",
        "underflow",
    ),
)
def frozen_layers(
    record: RunRecord, *, threshold: float = UNIT_ROUNDOFF, converged: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether layers stay as they were initialised because no update reaches them.

    Statistic: rms of the change the optimizer really made to a kernel over the rms of the kernel.
    Error below `threshold` in at least half of the last quarter of the steps, on hidden and output
    layers. Default 2^-24, float32's unit roundoff: below it a weight plus its update rounds back
    to the weight, and training cannot move it whatever the number of steps. A network whose layers
    moved first and stopped all together, with a loss below `converged` (default 0.5) of its first
    one, has converged and is not frozen. A layer that something goes around and no gradient
    reaches, such as an output that is not trained, is left to `cut_gradient`.
    """
    unused = cut.cut(record)
    indices = tuple(
        i for i in record.indices("hidden", "output") if record.layers[i].main_path or not unused[i]
    )
    made = record.steps > 0
    steps, update = record.steps[made], record.series["update_ratio"][made][:, list(indices)]
    if np.isnan(update).all():
        raise NotMeasured("no update was made")
    still = update < threshold
    rows = window.last(len(steps))
    sick = [i for i in range(len(indices)) if np.mean(still[rows, i]) >= 0.5]
    if not sick:
        return ()
    names = tuple(record.layers[indices[i]].name for i in sick)
    spell = window.spell(steps, np.mean(still[:, sick], axis=1) >= 0.5)
    if len(sick) == len(indices) and spell.since_step > 1:
        loss = record.scalars["loss"]
        if np.median(loss[made][rows]) < converged * loss[0]:
            return ()
    observed = max(float(np.median(update[rows][still[rows, i], i])) for i in sick)
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
                f"Weights stand still in {where}: the update is at most {observed:.2g} of them "
                f"(rms), less than float32 can add, {since}."
            ),
            remedy="a larger learning rate; or trainable = False, if they are meant to stand still",
            evidence=window.evidence(
                record,
                n=min(record.layers[indices[i]].parameters for i in sick),
                steps=steps[rows],
                values=update[rows][:, sick[0]],
            ),
        ),
    )
