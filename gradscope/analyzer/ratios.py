"""The one shape four verdicts share: a profile over depth that leaves a band."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer import window
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
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        furthest = np.nanmin(relative, axis=1) if below else np.nanmax(relative, axis=1)
    beyond = furthest < threshold if below else furthest > threshold
    spell = window.spell(record, beyond)
    if not spell:
        return None
    # A row without a figure is no healthy row: the steps that can be judged decide.
    profile = window.typical(record, relative) if spell.at_end else relative[0]
    if np.all(np.isnan(profile)):
        profile = relative[np.flatnonzero(usable)[-1]]
    sick = profile < threshold if below else profile > threshold
    layers = tuple(int(i) for i in np.flatnonzero(sick))
    extreme = float(np.nanmin(profile) if below else np.nanmax(profile))
    return Departure(layers, extreme, rate_per_layer(profile), spell, furthest)


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
    remedy: str = "",
) -> Finding:
    """Put a departure into words with its evidence."""
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
        remedy=remedy,
    )


def span(names: tuple[str, ...]) -> str:
    """Name a run of layers shortly: ``hidden_1``, ``hidden_1 to hidden_14``."""
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
