"""The one shape four verdicts share: a profile over depth that leaves a band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.analyzer import causes, window
from gradscope.analyzer.depth_profile import DepthProfile, rate_per_layer
from gradscope.analyzer.detectors import NotMeasured
from gradscope.analyzer.wording import branches
from gradscope.record import Finding, RunRecord
from gradscope.record.run_record import Floats, Integers


@dataclass(frozen=True)
class Departure:
    """Where and when a relative profile [step, layer] leaves its band.

    `layers` are positions in the profile, in depth order; `extreme` is the profile's furthest value
    and `rate` its factor per layer (NaN in a network that branches), both typical of the rows in
    which it is out; `spell` says when.
    `steps` are the ones it rests on, `furthest` the furthest value at each.
    """

    quantity: str
    below: bool
    threshold: float
    layers: tuple[int, ...]
    extreme: float
    rate: float
    spell: window.Spell
    steps: Integers
    furthest: Floats


def departure(
    record: RunRecord, profile: DepthProfile, quantity: str, threshold: float, *, below: bool
) -> Departure | None:
    """Find where the relative profile of ``signal`` or ``delta`` falls below `threshold`.

    Or rises above it, unless `below`. None where it never does. Raises `NotMeasured` when there are
    fewer than two layers or no usable step.
    """
    relative = profile.signal_relative if quantity == "signal" else profile.delta_relative
    if relative.shape[1] < 2:
        raise NotMeasured("there are fewer than two hidden layers to compare")
    usable = ~np.all(np.isnan(relative), axis=1)
    if not usable.any():
        raise NotMeasured("no recorded step has a finite, non-zero reference layer")
    # A step without a figure is no healthy step: those that can be judged decide.
    judged, steps = relative[usable], record.steps[usable]
    furthest: Floats = (np.fmin if below else np.fmax).reduce(judged, axis=1)
    holds = furthest < threshold if below else furthest > threshold
    spell = window.spell(steps, holds)
    if not spell:
        return None
    from_start = spell.since_step == 0 and (record.outcome.status == "diverged" or not spell.at_end)
    rows = slice(0, 1) if from_start else window.last(len(steps))
    values = window.geometric_mean(judged[rows][holds[rows]])
    extreme = float(np.nanmin(values) if below else np.nanmax(values))
    sick = values < threshold if below else values > threshold
    if not sick.any():  # another layer in each step
        sick = values == extreme
    return Departure(
        quantity=quantity,
        below=below,
        threshold=threshold,
        layers=tuple(int(i) for i in np.flatnonzero(sick)),
        extreme=extreme,
        rate=float("nan") if branches(record.layers) else rate_per_layer(values),
        spell=spell,
        steps=steps[rows],
        furthest=furthest[rows],
    )


def severity(spell: window.Spell) -> str:
    """A departure that lasts is an error; one that training overcame is a warning."""
    return "error" if spell.at_end else "warning"


def finding(record: RunRecord, profile: DepthProfile, found: Departure, message: str) -> Finding:
    """Put a departure into words with its evidence, its cause and a remedy."""
    cause, remedy = causes.of_profile(
        record,
        found.quantity,
        below=found.below,
        since_initialisation=found.spell.since_step == 0,
    )
    units = min(int(record.layers[profile.indices[i]].units or 1) for i in found.layers)
    return Finding(
        severity=severity(found.spell),
        layers=tuple(profile.names[i] for i in found.layers),
        since_step=found.spell.since_step,
        until_step=found.spell.until_step,
        observed=found.extreme,
        threshold=found.threshold,
        message=message,
        evidence=window.evidence(
            record, n=record.batch_size * units, steps=found.steps, values=found.furthest
        ),
        cause=cause,
        remedy=remedy,
    )
