"""GS204: activations pushed to where they are flat."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import causes, loss_curve, ratios, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.catalog.activations import find_activation
from gradscope.record import Finding, LayerInfo, RunRecord

LARGE_INPUT = 4.0
"""Mean square of the features from which standardizing them is the first thing to try."""


@detector("GS204", rank=20)
def saturated_units(
    record: RunRecord, *, threshold: float = 0.3, learned: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether bounded activations sit where they are flat and pass little gradient.

    Statistic: the layer's mean of phi'(z) over the largest value phi' can take: 1 in the linear
    regime, near 0 saturated. Judged for activations that flatten on both sides (tanh, sigmoid,
    softsign, hard_sigmoid, ...); a ReLU's silent half is no saturation.

    Error below `threshold` in at least half of the last quarter of the recorded steps; warning when
    only at initialisation, or when training brought it and learns all the same: its loss is then
    below `learned` of the first one and of a constant answer's. Default 0.3: the shipped tanh and
    sigmoid configs stay above 0.45 (tests/test_shipped_configs.py); docs/calibration.md has what
    was measured over a corpus. Default 0.9 of the loss: sigmoid layers of 64 and 64 on fashion_mini
    with Adam at 0.01 saturate to 0.06 within four steps and still go from 2.4 to 0.5 and to 77 %
    test accuracy in 300.
    """
    indices = tuple(i for i in record.indices("hidden") if _saturates(record.layers[i]))
    if not indices:
        raise NotMeasured("no hidden layer has an activation that saturates on both sides")
    gain = record.series["derivative_gain"][:, list(indices)]
    judged = ~np.all(np.isnan(gain), axis=1)
    if not judged.any():
        raise NotMeasured("the derivative was measured nowhere, as inside a recurrent loop")
    steps, gain = record.steps[judged], gain[judged]
    lowest = np.fmin.reduce(gain, axis=1)
    spell = window.spell(steps, lowest < threshold)
    if not spell:
        return ()
    rows = window.last(len(steps)) if spell.at_end else slice(0, 1)
    profile = window.median(gain[rows][lowest[rows] < threshold])
    sick = [i for i in range(len(indices)) if profile[i] < threshold]
    sick = sick or [int(np.nanargmin(profile))]
    names = tuple(record.layers[indices[i]].name for i in sick)
    observed = float(np.nanmin(profile))
    units = min(int(record.layers[indices[i]].units or 1) for i in sick)
    activation = record.layers[indices[sick[0]]].activation
    return (
        Finding(
            severity="warning" if _learns(record, spell, learned) else ratios.severity(spell),
            layers=names,
            since_step=spell.since_step,
            until_step=spell.until_step,
            observed=observed,
            threshold=threshold,
            message=(
                f"{activation} is saturated in {named(names, sick)}: its mean derivative is "
                f"{observed:.2g} of the largest it can have, {spell.words}."
            ),
            evidence=window.evidence(
                record, n=record.batch_size * units, steps=steps[rows], values=lowest[rows]
            ),
            remedy=_remedy(record, spell),
        ),
    )


def _learns(record: RunRecord, spell: window.Spell, learned: float) -> bool:
    """Whether training saturated the layers and goes on nevertheless."""
    return spell.since_step > 0 and loss_curve.learned(record, learned)


def _saturates(layer: LayerInfo) -> bool:
    entry = find_activation(str(layer.activation))
    return entry is not None and entry.saturates


def _remedy(record: RunRecord, spell: window.Spell) -> str:
    """Against z far from 0: what training did, else what the data or the initializer bring."""
    if spell.since_step > 0:
        return causes.lower_learning_rate(record)
    if record.data.second_moment > LARGE_INPUT:
        return "data.scaling: standardize"
    return causes.smallest_change(record) or "a smaller model.initializer, so that z stays near 0"
