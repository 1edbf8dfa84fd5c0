"""GS105: updates as large as the weights they change."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes
from gradscope.analyzer.wording import named
from gradscope.record import Finding, RunRecord, Severity


@detector(
    "GS105",
    rank=30,
    follows=(
        "unscaled_input",
        "non_finite",
        "exploding_signal",
        "exploding_gradient",
        "batch_norm_explosion",
    ),
)
def unstable_updates(
    record: RunRecord, *, sustained: float = 0.1, single: float = 1.0, learned: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether single steps rewrite the weights instead of improving them.

    Statistic: rms of the change the optimizer really made to a kernel over the rms of the kernel
    before it, so it holds for any optimizer. Error when the median over the last quarter of the
    steps is above `sustained`; warning when one step was above `single`: the layer was overwritten,
    or when the median is between the two and the loss falls below `learned` (default 0.5) of a
    constant answer's (of the first where none is known) all the same. Default of `sustained` 0.1: a
    hundred times the 1e-3 that practice aims at, ten steps then replace a layer; of `single` 1,
    where one step does.
    """
    indices = record.indices("hidden", "output")
    update = record.series["update_ratio"][:, list(indices)]
    update = np.where(np.isfinite(update), update, np.nan)
    judged = ~np.all(np.isnan(update), axis=1)
    if not judged.any():
        raise NotMeasured("no update was made")
    steps, update = record.steps[judged], update[judged]
    rows = window.last(len(steps))
    lasting = window.median(update[rows])
    sick = np.flatnonzero(lasting > sustained)
    if lasts := bool(sick.size):
        since = int(steps[window.onset(np.any(update[:, sick] > sustained, axis=1))])
        observed, resting = float(np.max(lasting[sick])), np.arange(len(steps))[rows]
        calm = observed <= single and loss_curve.learns_well(record, learned)
        when, severity = f"since step {since}", Severity.WARNING if calm else Severity.ERROR
    else:
        peaks = np.fmax.reduce(update, axis=1)
        resting = np.flatnonzero(peaks > single)
        if not resting.size:
            return ()
        sick = np.flatnonzero(np.any(update > single, axis=0))
        since, observed = int(steps[resting[0]]), float(peaks.max())
        when, severity = f"at step {int(steps[np.argmax(peaks)])}", Severity.WARNING
    layers = [record.layers[indices[i]] for i in sick]
    names = tuple(layer.name for layer in layers)
    return (
        Finding(
            severity=severity,
            layers=names,
            since_step=since,
            until_step=int(steps[resting[-1]]),
            observed=observed,
            threshold=sustained if lasts else single,
            message=(
                f"Updates are unstable in {named(names, [int(i) for i in sick])}: a step changes "
                f"the weights by up to {observed:.2g} of their size (rms) {when}; a thousandth is "
                "usual."
            ),
            evidence=window.evidence(
                record,
                n=min(layer.parameters for layer in layers),
                steps=steps[resting],
                values=np.fmax.reduce(update[resting][:, sick], axis=1),
            ),
            remedies=(causes.lower_learning_rate(record),),
        ),
    )
