"""GS204: activations pushed to where they are flat."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import causes
from gradscope.analyzer.wording import named
from gradscope.catalog.activations import find_activation
from gradscope.record import Finding, LayerInfo, RunRecord
from gradscope.theory.moments.gaussian_moments import gaussian_moments

LARGE_INPUT = 4.0
"""Mean square of the features from which standardizing them is the first thing to try."""

WELL = 0.5
"""Share of a constant answer's loss below which layers that started saturated do no harm."""


@detector("GS204", rank=20)
def saturated_units(
    record: RunRecord, *, threshold: float = 0.3, learned: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether bounded activations sit where they are flat and pass little gradient.

    Statistic: the layer's mean of phi'(z) over the largest value phi' can take: 1 in the linear
    regime, near 0 saturated. Judged for activations that flatten on both sides (tanh, sigmoid,
    softsign, hard_sigmoid, ...); a ReLU's silent half is no saturation.

    Error below `threshold`, or half of what z ~ N(0, 1) gives where that is less (softsign: 0.21),
    in at least half of the last quarter of the recorded steps; warning when only at initialisation,
    or when the network learns all the same: its loss is then below `learned` of a constant answer's
    (of the first where none is known), or below half of both where it started saturated. Default
    0.3: the shipped tanh and sigmoid configs stay above 0.45 (tests/test_shipped_configs.py), half
    of what tanh gives is 0.303; docs/calibration.md has what was measured over a corpus. Default
    0.9 of the loss: sigmoid layers of 64 and 64 on fashion_mini with Adam at 0.01 saturate to 0.06
    within four steps and still go from 2.4 to 0.5 and to 77 % test accuracy in 300.
    """
    indices = tuple(i for i in record.indices("hidden") if _saturates(record.layers[i]))
    if not indices:
        raise NotMeasured("no hidden layer has an activation that saturates on both sides")
    gain = record.series["derivative_gain"][:, list(indices)]
    judged = ~np.all(np.isnan(gain), axis=1)
    if not judged.any():
        raise NotMeasured("the derivative was measured nowhere, as inside a recurrent loop")
    steps, gain = record.steps[judged], gain[judged]
    limits = np.array([_limit(record.layers[i], threshold) for i in indices])
    holds = np.fmin.reduce(gain / limits, axis=1) < 1.0
    spell = window.spell(steps, holds)
    if not spell:
        return ()
    rows = window.last(len(steps)) if spell.at_end else slice(0, 1)
    profile = window.median(gain[rows][holds[rows]])
    worst = int(np.nanargmin(profile / limits))
    sick = [i for i in range(len(indices)) if profile[i] < limits[i]] or [worst]
    names = tuple(record.layers[indices[i]].name for i in sick)
    observed = float(profile[worst])
    units = min(int(record.layers[indices[i]].units or 1) for i in sick)
    activation = record.layers[indices[sick[0]]].activation
    return (
        Finding(
            severity="warning"
            if _learns(record, spell, learned)
            else ratio_findings.severity(spell),
            layers=names,
            since_step=spell.since_step,
            until_step=spell.until_step,
            observed=observed,
            threshold=float(limits[worst]),
            message=(
                f"{activation} is saturated in {named(names, sick)}: its mean derivative is "
                f"{observed:.2g} of the largest it can have, {spell.words}."
            ),
            evidence=window.evidence(
                record, n=record.batch_size * units, steps=steps[rows], values=gain[rows][:, worst]
            ),
            remedy=_remedy(record, spell),
        ),
    )


def _learns(record: RunRecord, spell: window.Spell, learned: float) -> bool:
    """Whether training goes on nevertheless: well, if the layers started saturated."""
    if spell.since_step == 0:
        return loss_curve.learns_well(record, WELL)
    return loss_curve.learned(record, learned)


def _limit(layer: LayerInfo, threshold: float) -> float:
    """`threshold`, or half of what z ~ N(0, 1) gives where that is less."""
    activation = str(layer.activation)
    entry = find_activation(activation)
    assert entry is not None  # `_saturates` found it
    parameters = layer.activation_parameters
    usual = gaussian_moments(activation, 1.0, parameters).derivative_mean
    return min(threshold, 0.5 * usual / entry.derivative_bound(**parameters))


def _saturates(layer: LayerInfo) -> bool:
    entry = find_activation(str(layer.activation))
    return entry is not None and entry.hidden and entry.saturates  # a softmax couples its units


def _remedy(record: RunRecord, spell: window.Spell) -> str:
    """Against z far from 0: what training did, else what the data or the initializer bring."""
    if spell.since_step > 0:
        return causes.lower_learning_rate(record)
    if record.data.second_moment > LARGE_INPUT:
        return "data.scaling: standardize"
    return causes.smallest_change(record) or "a smaller model.initializer, so that z stays near 0"
