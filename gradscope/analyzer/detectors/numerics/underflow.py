"""GS502: gradients too small for the numbers that hold them."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import gradient_cut
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Action, Finding, Remedy, RunRecord


@detector("GS502", rank=60, follows=("vanishing_gradient",))
def underflow(record: RunRecord, *, threshold: float = 0.1) -> tuple[Finding, ...]:
    """Tell whether part of the error signal falls below the smallest number float32 holds.

    Statistic: share of delta that is zero or below 1.2e-38 where phi'(z) is not zero, in layers
    whose delta has an rms below 1e-30. A larger delta with zeros among it is a structural zero: max
    pooling, dropout, masks and silent units leave exact zeros in healthy layers. The size counts
    here, and only here, because it is the numbers' range that ends.

    Error above `threshold` in at least half of the last quarter of the recorded steps, warning when
    only at initialisation. Default 0.1: a tenth of the signal is lost, and the figures of this
    layer are too low by as much. Half precision is not judged: its loss scaling is not in the
    record.
    """
    if "16" in record.environment.dtype:
        raise NotMeasured(f"the range of {record.environment.dtype} depends on its loss scaling")
    indices = record.indices("hidden")
    columns = list(indices)
    share = record.series["underflow_fraction"][:, columns]
    if not indices or np.isnan(share).all():
        raise NotMeasured("no hidden layer's delta was measured")
    delta = np.sqrt(np.nan_to_num(record.series["delta_second_moment"], posinf=0.0))
    size, after = delta[:, columns], gradient_cut.after(delta)[:, columns]
    # Zero below a layer with a sound delta is cut off or dead; below a faded one it is underflow.
    faded = (size < gradient_cut.FLUSHED) & ((size > 0) | (after < gradient_cut.FLUSHED))
    lost = np.where(np.isnan(share), np.nan, np.where(faded, share, 0.0))
    lost[~delta.any(axis=1)] = np.nan  # without any error signal nothing was lost on the way
    found = ratio_findings.departure(record, lost, threshold, below=False)
    if found is None:
        return ()
    names = [record.layers[indices[i]].name for i in found.layers]
    message = (
        f"The gradient underflows in {named(names, found.layers)}: {found.extreme:.0%} of delta is "
        f"below what float32 holds, {found.spell.words}."
    )
    remedies = (Remedy(Action.RESTORE_GRADIENT),)
    return (ratio_findings.finding(record, indices, found, message, remedies=remedies),)
