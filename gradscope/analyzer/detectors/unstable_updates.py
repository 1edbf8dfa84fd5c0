"""GS105: updates as large as the weights they change."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import causes, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Finding, RunRecord


@detector("GS105", rank=30)
def unstable_updates(
    record: RunRecord, *, sustained: float = 0.1, single: float = 1.0
) -> tuple[Finding, ...]:
    """Tell whether single steps rewrite the weights instead of improving them.

    Statistic: rms of the change the optimizer really made to a kernel over the rms of the kernel
    before it, so it holds for any optimizer. Error when the median over the last quarter of the
    steps is above `sustained`; warning when one step was above `single`: the layer was overwritten.
    Default 0.1: a hundred times the 1e-3 that practice aims at, ten steps then replace a layer.
    """
    indices = record.indices("hidden", "output")
    update = record.series["update_ratio"][:, list(indices)]
    if np.isnan(update).all():
        raise NotMeasured("no update was made")
    finite = np.where(np.isfinite(update), update, np.nan)
    filled = np.nan_to_num(finite, nan=0.0)
    lasting = np.median(filled[window.last_rows(record)], axis=0)
    peak = filled.max(axis=0)
    sick = [i for i in range(len(indices)) if lasting[i] > sustained]
    if sick:
        return (_finding(record, indices, filled, sick, lasting, sustained, "error"),)
    sick = [i for i in range(len(indices)) if peak[i] > single]
    if sick:
        return (_finding(record, indices, filled, sick, peak, single, "warning"),)
    return ()


def _finding(
    record: RunRecord,
    indices: tuple[int, ...],
    update: np.ndarray,
    sick: list[int],
    figure: np.ndarray,
    threshold: float,
    severity: str,
) -> Finding:
    names = tuple(record.layers[indices[i]].name for i in sick)
    over = np.flatnonzero(np.any(update[:, sick] > threshold, axis=1))
    since, until = int(record.steps[over[0]]), int(record.steps[over[-1]])
    observed = float(np.max(figure[sick]))
    lasts = "in the last quarter of the steps" if severity == "error" else f"at step {since}"
    return Finding(
        severity=severity,
        layers=names,
        since_step=since,
        until_step=until,
        observed=observed,
        threshold=threshold,
        message=(
            f"Updates are unstable in {named(names, sick)}: a step changes the weights by up to "
            f"{observed:.2g} of their size (rms) {lasts}; a thousandth is usual."
        ),
        evidence=window.evidence(
            record,
            n=min(record.layers[indices[i]].parameters for i in sick),
            values=update[:, sick].max(axis=1),
        ),
        remedy=causes.lower_learning_rate(record),
    )
