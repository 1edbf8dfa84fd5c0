"""The one shape four verdicts share: a profile over depth that leaves a band."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gradscope.analyzer import causes, window
from gradscope.analyzer.depth_profile import rate_per_layer
from gradscope.analyzer.detectors import NotMeasured
from gradscope.record import Finding, RunRecord
from gradscope.record.run_record import Floats


@dataclass(frozen=True)
class Departure:
    """Where and when a relative profile [step, layer] leaves its band.

    `layers` are positions in the profile, in depth order; `extreme` is the profile's furthest value
    and `rate` its factor per layer, both typical of the spell; `spell` says when.
    """

    layers: tuple[int, ...]
    extreme: float
    rate: float
    spell: window.Spell
    values: Floats


def departure(
    record: RunRecord, relative: Floats, threshold: float, *, below: bool
) -> Departure | None:
    """Find where `relative` falls below (or rises above) `threshold`; None where it never does.

    Raises `NotMeasured` when there are fewer than two layers or no usable step.
    """
    if relative.shape[1] < 2:
        raise NotMeasured("there are fewer than two hidden layers to compare")
    usable = ~np.all(np.isnan(relative), axis=1)
    if not usable.any():
        raise NotMeasured("no recorded step has a finite, non-zero reference layer")
    # A step without a figure is no healthy step: those that can be judged decide.
    judged, steps = relative[usable], record.steps[usable]
    furthest = _without_nan(np.fmin if below else np.fmax, judged)
    spell = window.spell(steps, furthest < threshold if below else furthest > threshold)
    if not spell:
        return None
    from_start = spell.since_step == 0 and (record.outcome.status == "diverged" or not spell.at_end)
    profile = judged[0] if from_start else window.typical(judged)
    extreme = float(np.nanmin(profile) if below else np.nanmax(profile))
    sick = profile < threshold if below else profile > threshold
    if not sick.any():
        sick = profile == extreme
    layers = tuple(int(i) for i in np.flatnonzero(sick))
    return Departure(layers, extreme, rate_per_layer(profile), spell, furthest)


def _without_nan(extreme: np.ufunc, values: Floats) -> Floats:
    smallest: Floats = extreme.reduce(values, axis=1)
    return smallest


def severity(spell: window.Spell) -> str:
    """A departure that lasts is an error; one that training overcame is a warning."""
    return "error" if spell.at_end else "warning"


def finding(
    record: RunRecord,
    found: Departure,
    names: tuple[str, ...],
    indices: tuple[int, ...],
    threshold: float,
    *,
    message: str,
) -> Finding:
    """Put a departure into words with its evidence, its cause and a remedy."""
    cause, remedy = causes.of_profile(
        record, since_initialisation=found.spell.since_step == 0
    )
    units = min(int(record.layers[indices[i]].units or 1) for i in found.layers)
    return Finding(
        severity=severity(found.spell),
        layers=tuple(names[i] for i in found.layers),
        since_step=found.spell.since_step,
        until_step=found.spell.until_step,
        observed=found.extreme,
        threshold=threshold,
        message=message,
        evidence=window.evidence(record, n=record.batch_size * units, values=found.values),
        cause=cause,
        remedy=remedy,
    )
