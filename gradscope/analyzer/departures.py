"""Figures per layer that leave their band, and since when; shared by many verdicts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import window
from gradscope.analyzer.curves.depth_profile import DepthProfile, rate_per_layer
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes
from gradscope.record import Finding, OutcomeStatus, Remedy, RunRecord, Severity
from gradscope.record.run_record import Floats, Integers


@dataclass(frozen=True)
class Departure:
    """Where and when figures [step, layer] leave their band.

    `layers` are their columns, in depth order; `extreme` is the furthest figure, of the column
    `extreme_layer`, and `rate` its factor per layer, both typical of the rows in which it is out;
    `occurrence` says when. `steps` are the ones it rests on, `furthest` the furthest figure at
    each.
    """

    below: bool
    threshold: float
    layers: tuple[int, ...]
    extreme: float
    extreme_layer: int
    rate: float
    occurrence: window.Occurrence
    steps: Integers
    furthest: Floats


def find_departure(
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
    occurrence = window.occurrence(steps, holds)
    if not occurrence:
        return None
    from_start = occurrence.since_step == 0 and (
        record.outcome.status == OutcomeStatus.DIVERGED or not occurrence.at_end
    )
    rows = slice(0, 1) if from_start else window.last_quarter(steps)
    values = window.geometric_mean(judged[rows][holds[rows]])
    extreme_layer = int(np.nanargmin(values) if below else np.nanargmax(values))
    extreme = float(values[extreme_layer])
    sick = values < threshold if below else values > threshold
    if not sick.any():  # another layer in each step
        sick = values == extreme
    return Departure(
        below=below,
        threshold=threshold,
        layers=tuple(int(i) for i in np.flatnonzero(sick)),
        extreme=extreme,
        extreme_layer=extreme_layer,
        rate=float("nan") if record.branches else rate_per_layer(values),
        occurrence=occurrence,
        steps=steps[rows],
        furthest=furthest[rows],
    )


def find_over_depth(
    record: RunRecord, relative: Floats, threshold: float, *, below: bool
) -> Departure | None:
    """The same for a relative profile; raises `NotMeasured` for fewer than two layers too."""
    if relative.shape[1] < 2:
        raise NotMeasured("there are fewer than two hidden layers on the main path to compare")
    return find_departure(record, relative, threshold, below=below)


def severity(occurrence: window.Occurrence) -> Severity:
    """A departure that remains is an error; one that ended during training is a warning."""
    return Severity.ERROR if occurrence.at_end else Severity.WARNING


def finding_over_depth(
    record: RunRecord,
    profile: DepthProfile,
    departure: Departure,
    quantity: str,
    *,
    message: str,
    details: str,
    at_most_warning: bool = False,
) -> Finding:
    """A departure of the ``signal`` or ``delta`` profile, with theory's cause and remedies."""
    rate = departure.rate if quantity == "signal" else departure.rate**-1
    cause = causes.profile_cause(
        record,
        quantity,
        departure.threshold,
        below=departure.below,
        since_initialisation=departure.occurrence.since_step == 0,
        rate=rate if departure.extreme > 0 else float("nan"),
    )
    return departure_finding(
        record,
        profile.indices,
        departure,
        message,
        details=details,
        cause=cause.sentence,
        cause_details=cause.details,
        remedies=cause.remedies,
        at_most_warning=at_most_warning,
    )


def departure_finding(
    record: RunRecord,
    indices: Sequence[int],
    departure: Departure,
    message: str,
    *,
    details: str = "",
    cause: str = "",
    cause_details: str = "",
    remedies: tuple[Remedy, ...] = (),
    at_most_warning: bool = False,
) -> Finding:
    """The finding of a departure; `indices` are the layers of the figures' columns."""
    layers = [record.layers[indices[i]] for i in departure.layers]
    return findings.finding(
        record,
        Severity.WARNING if at_most_warning else severity(departure.occurrence),
        layers,
        since_step=departure.occurrence.since_step,
        until_step=departure.occurrence.until_step,
        observed=departure.extreme,
        threshold=departure.threshold,
        message=message,
        evidence=findings.evidence_over_steps(
            record,
            n=findings.values_per_step(record, layers),
            steps=departure.steps,
            values=departure.furthest,
        ),
        details=details,
        cause=cause,
        cause_details=cause_details,
        remedies=remedies,
    )
