"""GS203: units that no sample activates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.analyzer import causes, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.record import Evidence, Finding, RunRecord
from gradscope.record.run_record import Floats, Integers


# Before the ratios over depth: what lies behind a layer that nothing passes tells of it alone.
@detector("GS203", rank=8, follows=("symmetric_units", "unscaled_input", "non_finite"))
def dead_units(
    record: RunRecord, *, dead_layer: float = 0.99, dying: float = 0.5, growth: float = 0.25
) -> tuple[Finding, ...]:
    """Tell whether units of a layer let nothing pass, whatever the input.

    Statistic: share of units whose derivative phi'(z) is exactly zero for every sample of the
    probe set. With n samples, a unit found dead still fires for up to 3/n of all inputs (95 %).

    Error when at least `dead_layer` of a layer's units are dead at the last look: nothing passes
    such a layer. Warning when at least `dying` are dead and the share grew by `growth` since
    initialisation: a deep ReLU network has silent units by geometry before any training, because
    its samples become similar. Defaults 0.99 (all but a stray unit), 0.5 and 0.25: the shipped
    healthy configs stay below 0.4 (tests/test_shipped_configs.py); error rates over a corpus are
    not measured yet.
    """
    indices = record.indices("hidden")
    dead = record.series["dead_fraction"][:, list(indices)]
    looked = ~np.all(np.isnan(dead), axis=1)
    if not looked.any():
        raise NotMeasured("no hidden layer has units whose derivative the probe set could show")
    looks = _Looks(record, record.steps[looked], dead[looked])
    whole = looks.share >= dead_layer
    some = (looks.share >= dying) & (looks.share - looks.share[0] >= growth)
    some &= ~whole[-1]
    findings = []
    if whole[-1].any():
        findings.append(_finding(looks, whole, dead_layer, "error"))
    if some[-1].any():
        findings.append(_finding(looks, some, dying, "warning"))
    return tuple(findings)


@dataclass(frozen=True)
class _Looks:
    """The dead share [look, hidden layer] and the steps before which the probe set was seen."""

    record: RunRecord
    steps: Integers
    share: Floats


def _finding(
    looks: _Looks, holds: npt.NDArray[np.bool_], threshold: float, severity: str
) -> Finding:
    """The layers that are beyond `threshold` at the last look, and since when."""
    record = looks.record
    places = [int(i) for i in np.flatnonzero(holds[-1])]
    layers = [record.layers[record.indices("hidden")[i]] for i in places]
    names = tuple(layer.name for layer in layers)
    since = int(looks.steps[window.onset(np.any(holds[:, places], axis=1))])
    worst = places[int(np.argmax(looks.share[-1, places]))]
    share, start = looks.share[-1, worst], looks.share[0, worst]
    n = record.probe_samples
    message = (
        f"Units are dead: {share:.0%} of the units in {named(names, places)} let no gradient pass "
        f"for any of {n} samples (at initialisation: {start:.0%}), since step {since}."
    )
    if severity == "error":
        message += " Nothing passes a layer that is dead as a whole: what is below it cannot learn."
    leaky = "model.activation: leaky_relu, which cannot die"
    return Finding(
        severity=severity,
        layers=names,
        since_step=since,
        until_step=int(looks.steps[-1]),
        observed=float(share),
        threshold=threshold,
        message=message,
        evidence=Evidence(
            n=n,
            batch_size=n,
            phase="training",
            seeds=(record.environment.seed,),
            steps=tuple(int(step) for step in looks.steps),
            interval=(0.0, min(1.0, 3.0 / n)),
            interval_meaning="share of inputs that may still activate a unit found dead (95 %)",
        ),
        # A learning rate kills no unit before the first update.
        remedy=f"{causes.lower_learning_rate(record)}; or {leaky}" if since else leaky,
    )
