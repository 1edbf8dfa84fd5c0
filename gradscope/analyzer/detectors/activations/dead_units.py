"""GS203: units that no sample activates."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes
from gradscope.analyzer.wording import named
from gradscope.catalog.activations import find_activation
from gradscope.record import Action, Evidence, Finding, LayerInfo, Remedy, RunRecord, Severity
from gradscope.record.remedies import change_settings
from gradscope.record.run_record import Floats, Integers

LEAKY = Remedy(Action.USE_LEAKY_ACTIVATION, (("model.activation", "leaky_relu"),))


# Before the ratios over depth: what lies behind a layer that nothing passes tells of it alone.
@detector("GS203", rank=8, follows=("symmetric_units", "unscaled_input", "non_finite"))
def dead_units(
    record: RunRecord,
    *,
    dead_layer: float = 0.99,
    dying: float = 0.5,
    growth: float = 0.25,
    passing: float = 1e-3,
    learned: float = 0.9,
) -> tuple[Finding, ...]:
    """Tell whether units of a layer let nothing pass, whatever the input.

    Statistic: share of units whose derivative phi'(z) is exactly zero for every sample of the
    probe set. With n samples, a unit found dead still fires for up to 3/n of all inputs (95 %).

    Error when at least `dead_layer` of a layer's units are dead at the last look: nothing passes
    such a layer. Warning when at least `dying` are dead and the share grew by `growth` since
    initialisation: a deep ReLU network has silent units by geometry before any training, because
    its samples become similar. Error as well when less than `passing` (default 0.001) of a layer's
    values let a gradient pass in the median of the last quarter of the steps (mean phi'(z) over max
    phi'), while the loss is not below `learned` (default 0.9, as for `saturated_units`) of a
    constant answer's (of the first where none is known): stray values keep its units from being
    quite dead. Defaults 0.99 (all but a stray unit), 0.5 and 0.25: the shipped healthy configs stay
    below 0.4 (tests/test_shipped_configs.py); docs/calibration.md has what was measured over a
    corpus.
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
    findings = [] if whole[-1].any() else _nearly(record, indices, passing, learned)
    if whole[-1].any():
        findings.append(_finding(looks, whole, dead_layer, Severity.ERROR))
    if some[-1].any():
        findings.append(_finding(looks, some, dying, Severity.WARNING))
    return tuple(findings)


def _nearly(
    record: RunRecord, indices: tuple[int, ...], passing: float, learned: float
) -> list[Finding]:
    """Layers that hardly any value of a batch gets through, though no unit may be quite dead."""
    places = [i for i, index in enumerate(indices) if not _saturates(record.layers[index])]
    gain = record.series["derivative_gain"][:, [indices[i] for i in places]]
    judged = ~np.all(np.isnan(gain), axis=1)
    if not judged.any() or loss_curve.learned(record, learned) or loss_curve.above_chance(record):
        return []
    steps, gain = record.steps[judged], gain[judged]
    rows = window.last(len(steps))
    typical = window.median(gain[rows])
    shut = [i for i, value in enumerate(typical) if value < passing]
    if not shut:
        return []
    layers = [record.layers[indices[places[i]]] for i in shut]
    names = tuple(layer.name for layer in layers)
    spell = window.spell(steps, np.any(gain[:, shut] < passing, axis=1))
    observed = float(np.min(typical[shut]))
    return [
        Finding(
            severity=Severity.ERROR,
            layers=names,
            since_step=spell.since_step,
            until_step=spell.until_step,
            observed=observed,
            threshold=passing,
            message=(
                f"Units are as good as dead: in {named(names, [places[i] for i in shut])} only "
                f"{observed:.2g} of the values let a gradient pass, {spell.words}, and the loss "
                "has not fallen."
            ),
            evidence=window.evidence(
                record,
                n=record.batch_size * min(int(layer.units or 1) for layer in layers),
                steps=steps[rows],
                values=np.fmin.reduce(gain[rows][:, shut], axis=1),
            ),
            remedies=(change_settings(("model.bias_initializer", "zeros")), LEAKY),
        )
    ]


def _saturates(layer: LayerInfo) -> bool:
    """`saturated_units` judges what flattens on both sides."""
    entry = find_activation(str(layer.activation))
    return entry is None or entry.saturates


@dataclass(frozen=True)
class _Looks:
    """The dead share [look, hidden layer] and the steps before which the probe set was seen."""

    record: RunRecord
    steps: Integers
    share: Floats


def _finding(
    looks: _Looks, holds: npt.NDArray[np.bool_], threshold: float, severity: Severity
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
    if severity is Severity.ERROR:
        message += " Nothing passes a layer that is dead as a whole: what is below it cannot learn."
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
        remedies=(causes.lower_learning_rate(record), LEAKY) if since else (LEAKY,),
    )
