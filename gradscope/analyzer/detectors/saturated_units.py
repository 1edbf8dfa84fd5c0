"""GS204: activations pushed to where they are flat."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratios, window
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.catalog.activations import ACTIVATIONS
from gradscope.record import Finding, RunRecord


@detector("GS204", rank=20)
def saturated_units(record: RunRecord, *, threshold: float = 0.3) -> tuple[Finding, ...]:
    """Tell whether bounded activations sit where they are flat and pass little gradient.

    Statistic: the layer's mean of phi'(z) over the largest value phi' can take: 1 in the linear
    regime, near 0 saturated. Judged for activations that flatten on both sides (tanh, sigmoid,
    softsign, hard_sigmoid, ...); a ReLU's silent half is no saturation.

    Error below `threshold` in at least half of the last quarter of the recorded steps, warning
    when only at initialisation. Default 0.3: over healthy runs the figure was 0.44 to 0.94 (tanh)
    and 0.35 to 0.95 (sigmoid), over saturated ones 0.08 to 0.25.
    """
    indices = tuple(
        i for i in record.indices("hidden") if ACTIVATIONS[str(record.layers[i].activation)].saturates
    )
    if not indices:
        raise NotMeasured("no hidden layer has an activation that saturates on both sides")
    gain = record.series["derivative_gain"][:, list(indices)]
    lowest = np.where(np.isnan(gain), np.inf, gain).min(axis=1)
    spell = window.spell(record.steps, lowest < threshold)
    if not spell:
        return ()
    profile = window.typical(gain) if spell.at_end else gain[0]
    sick = [i for i in range(len(indices)) if profile[i] < threshold] or [int(np.nanargmin(profile))]
    names = tuple(record.layers[indices[i]].name for i in sick)
    observed = float(np.nanmin(profile))
    units = min(int(record.layers[indices[i]].units or 1) for i in sick)
    activation = record.layers[indices[sick[0]]].activation
    return (
        Finding(
            severity=ratios.severity(spell),
            layers=names,
            since_step=spell.since_step,
            until_step=spell.until_step,
            observed=observed,
            threshold=threshold,
            message=(
                f"{activation} is saturated in {named(names, sick)}: its mean derivative is "
                f"{observed:.2g} of the largest it can have, {spell.words}."
            ),
            evidence=window.evidence(record, n=record.batch_size * units, values=lowest),
            remedy="data.scaling: standardize and a smaller initializer or learning rate, so that z stays near 0",
        ),
    )
