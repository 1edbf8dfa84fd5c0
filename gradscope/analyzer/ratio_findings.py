"""The one shape many verdicts share: a figure per layer that leaves its band, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.depth_profile import DepthProfile, rate_per_layer
from gradscope.analyzer.detectors import NotMeasured
from gradscope.analyzer.theory import causes
from gradscope.analyzer.wording import branches
from gradscope.record import Finding, OutcomeStatus, RunRecord
from gradscope.record.run_record import Floats, Integers


@dataclass(frozen=True)
class Departure:
    """Where and when figures [step, layer] leave their band.

    `layers` are their columns, in depth order; `extreme` is the furthest figure and `rate` its
    factor per layer, both typical of the rows in which it is out; `spell` says when. `steps` are
    the ones it rests on, `furthest` the furthest figure at each.
    """

    below: bool
    threshold: float
    layers: tuple[int, ...]
    extreme: float
    rate: float
    spell: window.Spell
    steps: Integers
    furthest: Floats


def departure(
    record: RunRecord, figures: Floats, threshold: float, *, below: bool
) -> Departure | None:
    """Find where `figures` [step, layer], all positive, fall below `threshold`.

    Or rise above it, unless `below`. None where they never do. Raises `NotMeasured` when no step
    has a figure.
    """
    usable = ~np.all(np.isnan(figures), axis=1)
    if not usable.any():
        raise NotMeasured("no recorded step has a finite, non-zero figure to compare with")
    # A step without a figure is no healthy step: those that can be judged decide.
    judged, steps = figures[usable], record.steps[usable]
    furthest: Floats = (np.fmin if below else np.fmax).reduce(judged, axis=1)
    holds = furthest < threshold if below else furthest > threshold
    spell = window.spell(steps, holds)
    if not spell:
        return None
    from_start = spell.since_step == 0 and (
        record.outcome.status == OutcomeStatus.DIVERGED or not spell.at_end
    )
    rows = slice(0, 1) if from_start else window.last(len(steps))
    values = window.geometric_mean(judged[rows][holds[rows]])
    extreme = float(np.nanmin(values) if below else np.nanmax(values))
    sick = values < threshold if below else values > threshold
    if not sick.any():  # another layer in each step
        sick = values == extreme
    return Departure(
        below=below,
        threshold=threshold,
        layers=tuple(int(i) for i in np.flatnonzero(sick)),
        extreme=extreme,
        rate=float("nan") if branches(record.layers) else rate_per_layer(values),
        spell=spell,
        steps=steps[rows],
        furthest=furthest[rows],
    )


def over_depth(
    record: RunRecord, relative: Floats, threshold: float, *, below: bool
) -> Departure | None:
    """The same for a relative profile; raises `NotMeasured` for fewer than two layers too."""
    if relative.shape[1] < 2:
        raise NotMeasured("there are fewer than two hidden layers on the main path to compare")
    return departure(record, relative, threshold, below=below)


def severity(spell: window.Spell) -> str:
    """A departure that lasts is an error; one that training overcame is a warning."""
    return "error" if spell.at_end else "warning"


def finding_over_depth(
    record: RunRecord, profile: DepthProfile, found: Departure, quantity: str, message: str
) -> Finding:
    """A departure of the ``signal`` or ``delta`` profile, with theory's cause and a remedy."""
    cause, remedy = causes.of_profile(
        record,
        quantity,
        found.threshold,
        below=found.below,
        since_initialisation=found.spell.since_step == 0,
    )
    return finding(record, profile.indices, found, message, cause=cause, remedy=remedy)


def finding(
    record: RunRecord,
    indices: Sequence[int],
    found: Departure,
    message: str,
    *,
    cause: str = "",
    remedy: str = "",
    grave: bool = True,
) -> Finding:
    """Put a departure of the layers `indices` (its columns) into words, with its evidence.

    It is a warning at most unless `grave`.
    """
    sick = [record.layers[indices[i]] for i in found.layers]
    return Finding(
        severity=severity(found.spell) if grave else "warning",
        layers=tuple(layer.name for layer in sick),
        since_step=found.spell.since_step,
        until_step=found.spell.until_step,
        observed=found.extreme,
        threshold=found.threshold,
        message=message,
        evidence=window.evidence(
            record,
            n=record.batch_size * min(int(layer.units or 1) for layer in sick),
            steps=found.steps,
            values=found.furthest,
        ),
        cause=cause,
        remedy=remedy,
    )
