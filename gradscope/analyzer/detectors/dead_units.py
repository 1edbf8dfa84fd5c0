"""GS203: units that no sample activates."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import causes, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Evidence, Finding, RunRecord


@detector("GS203", rank=25)
def dead_units(
    record: RunRecord, *, dead_layer: float = 0.99, dying: float = 0.5, growth: float = 0.25
) -> tuple[Finding, ...]:
    """Tell whether units of a layer let nothing pass, whatever the input.

    Statistic: share of units whose derivative phi'(z) is exactly zero for every sample of the
    probe set. With n samples, a unit found dead still fires for up to 3/n of all inputs (95 %).

    Error when at least `dead_layer` of a layer's units are dead at the last look: nothing passes
    such a layer, and none of 44 published runs with one ever learned. Warning when at least
    `dying` are dead and the share grew by `growth` since initialisation: a deep ReLU network has
    silent units by geometry before any training (a third of them at layer 30 on 128 samples), and
    narrow layers work with up to 80 % of them.
    """
    indices = record.indices("hidden")
    dead = record.series["dead_fraction"][:, list(indices)]
    looked = np.flatnonzero(~np.all(np.isnan(dead), axis=1))
    if not looked.size:
        raise NotMeasured("the probe set was never looked at")
    first, last = dead[looked[0]], dead[looked[-1]]
    whole = [i for i in range(len(indices)) if last[i] >= dead_layer]
    some = [
        i
        for i in range(len(indices))
        if i not in whole and last[i] >= dying and last[i] - first[i] >= growth
    ]
    findings = []
    if whole:
        findings.append(_finding(record, indices, dead, whole, dead_layer, "error"))
    if some:
        findings.append(_finding(record, indices, dead, some, dying, "warning"))
    return tuple(findings)


def _finding(
    record: RunRecord,
    indices: tuple[int, ...],
    dead: np.ndarray,
    places: list[int],
    threshold: float,
    severity: str,
) -> Finding:
    names = tuple(record.layers[indices[i]].name for i in places)
    looked = np.flatnonzero(~np.all(np.isnan(dead), axis=1))
    beyond = np.max(dead[np.ix_(looked, places)], axis=1) >= threshold
    since = int(record.steps[looked[window.onset(beyond)]])
    worst = float(np.max(dead[looked[-1], places]))
    n = record.probe_samples
    start = np.max(dead[looked[0], places])
    message = (
        f"Units are dead: {worst:.0%} of the units in {named(names, places)} let no gradient pass for any of "
        f"{n} samples (at initialisation: {start:.0%}), since step {since}."
    )
    if severity == "error":
        message += " Nothing passes a layer that is dead as a whole: what is below it cannot learn."
    return Finding(
        severity=severity,
        layers=names,
        since_step=since,
        until_step=int(record.steps[looked[-1]]),
        observed=worst,
        threshold=threshold,
        message=message,
        evidence=Evidence(
            n=n,
            batch_size=n,
            phase="training",
            seeds=(record.environment.seed,),
            steps=tuple(int(record.steps[i]) for i in looked),
            interval=(0.0, min(1.0, 3.0 / n)),
            interval_meaning="share of inputs that may still activate a unit found dead (95 %)",
        ),
        remedy=f"{causes.lower_learning_rate(record)}; or model.activation: leaky_relu, which "
        "cannot die",
    )
