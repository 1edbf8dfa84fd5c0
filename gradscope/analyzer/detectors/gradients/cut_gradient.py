"""GS103: layers that no gradient reaches."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import gradient_cut
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Action, Finding, Remedy, RunRecord, Severity


@detector("GS103", rank=35, follows=("symmetric_units",))
def cut_gradient(record: RunRecord, *, threshold: float = gradient_cut.NONE) -> tuple[Finding, ...]:
    """Tell whether trainable layers are cut off from the loss: no gradient reaches them at all.

    Statistic: rms of delta over that of the next later layer that has one, at every recorded step
    after the first update, with the kernel's gradient gone as well. An operation without a
    derivative (argmax, round, casting to integers, stop_gradient), a layer whose output nothing
    uses, or an output that no loss looks at leave exactly zero.

    Error at or below `threshold` at every step when everything flows through the layer; warning
    when something goes around it, as with an output that is not trained. Default 1e-12: no single
    layer dilutes a gradient a million million times, and an unconnected path gives exactly 0.
    Exempt are layers without trainable weights, gradients that faded below float32 on their way
    (`underflow`), what lies below a layer whose units are all dead (`dead_units`), and the first
    update, before which a head that starts at zero lets nothing pass.
    """
    if not np.any(record.steps > 1):
        raise NotMeasured("the network was seen before its first update only")
    if not record.indices("hidden", "output"):
        raise NotMeasured("no layer with weights is measured")
    silent = [
        i for i in np.flatnonzero(gradient_cut.cut(record, threshold)) if i > _last_dead(record)
    ]
    before, aside = gradient_cut.unreached(record)
    on_path = [*before, *(record.layers[i] for i in silent if record.layers[i].main_path)]
    aside = [*aside, *(record.layers[i] for i in silent if not record.layers[i].main_path)]
    findings = []
    for severity, found in ((Severity.ERROR, on_path), (Severity.WARNING, aside)):
        layers = sorted(found, key=lambda layer: layer.index)
        if not layers:
            continue
        names = tuple(layer.name for layer in layers)
        places = [layer.index for layer in layers]
        later = [
            record.layers[i]
            for i in record.indices("hidden", "output")
            if i > places[-1] and i not in silent
        ]
        between = f" It is lost between {later[0].name} and {layers[-1].name}." if later else ""
        findings.append(
            static_findings.finding(
                record,
                severity,
                layers,
                observed=0.0,
                threshold=threshold,
                message=(f"No gradient reaches {named(names, places)} at any step.{between}"),
                remedies=(
                    Remedy(Action.RECONNECT_LAYERS, layers=names),
                    Remedy(Action.FREEZE_LAYERS, layers=names),
                ),
                n=int(np.count_nonzero(record.steps > 1)),
                phase="training",
            )
        )
    return tuple(findings)


def _last_dead(record: RunRecord) -> int:
    """Index of the last layer that was seen with all its units dead; -1 if there is none."""
    dead = record.series["dead_fraction"]
    return max((i for i in range(len(record.layers)) if np.any(dead[:, i] >= 1.0)), default=-1)
