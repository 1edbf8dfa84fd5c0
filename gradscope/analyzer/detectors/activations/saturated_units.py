"""GS204: activations pushed to where they are flat."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import departures, findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.network import first_trained
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes, step_size
from gradscope.catalog.activations import find_activation
from gradscope.record import Action, Finding, LayerInfo, Remedy, Role, RunRecord, Severity
from gradscope.record.remedies import change_settings
from gradscope.theory.moments.gaussian_moments import gaussian_moments

LARGE_INPUT = 4.0
"""Mean square of the features from which standardizing them is the first thing to try."""

WELL_LEARNED = 0.5
"""Loss over a constant prediction's below which layers that started saturated do no harm."""


@detector("GS204", rank=20)
def saturated_units(
    record: RunRecord, *, threshold: float = 0.3, max_constant_ratio: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether bounded activations sit where they are flat and pass little gradient.

    What it measures:
        The mean of phi'(z) over the largest value that phi' can take: 1 in the linear regime, near
        0 saturated. Judged are activations that flatten on both sides (tanh, sigmoid, softsign,
        hard_sigmoid and the like); the silent half of a ReLU is no saturation.
    Error when:
        The mean is below the threshold, or below half of what z ~ N(0, 1) gives where that is less
        (softsign: 0.21), in at least half of the last quarter of the recorded steps.
    Warning when:
        It is below at initialisation only, or the network learns all the same: its loss is below
        `max_constant_ratio`, or below 0.5 where the layers started saturated.
    Not judged when:
        No hidden layer has an activation that saturates on both sides, or its derivative was
        measured nowhere, as inside a recurrent loop. Layers before the first one that trains need
        no gradient.
    Thresholds:
        threshold = 0.3: the mean of phi' over max phi'. The shipped tanh and sigmoid configs stay
            above 0.45 (tests/test_shipped_configs.py), half of what tanh gives is 0.303;
            docs/calibration.md has the rates over a corpus.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network learns. Sigmoid layers of 64 and 64 on
            fashion_mini with Adam at 0.01 saturate to 0.06 within four steps and still go from 2.4
            to 0.5 and to 77 % test accuracy in 300.
    Why it matters:
        The gradient shrinks by the factor phi' at every layer, so the layers below learn slowly.
    What to do:
        Standardize the features, start with smaller weights, or lower the learning rate if training
        drove the units there.
    Source:
        Glorot & Bengio 2010, section 3.
    """
    hidden, first = record.indices(Role.HIDDEN), first_trained(record)
    indices = tuple(i for i in hidden if i >= first and _saturates(record.layers[i]))
    if not indices:
        raise NotMeasured("no hidden layer has an activation that saturates on both sides")
    gain = record.series["derivative_gain"][:, list(indices)]
    judged = ~np.all(np.isnan(gain), axis=1)
    if not judged.any():
        raise NotMeasured("the derivative was measured nowhere, as inside a recurrent loop")
    steps, gain = record.steps[judged], gain[judged]
    limits = np.array([_limit(record.layers[i], threshold) for i in indices])
    holds = np.fmin.reduce(gain / limits, axis=1) < 1.0
    occurrence = window.occurrence(steps, holds)
    if not occurrence:
        return ()
    rows = window.last_quarter(steps) if occurrence.at_end else slice(0, 1)
    profile = window.median(gain[rows][holds[rows]])
    worst = int(np.nanargmin(profile / limits))
    sick = [i for i in range(len(indices)) if profile[i] < limits[i]] or [worst]
    layers = [record.layers[indices[i]] for i in sick]
    where = layer_names([layer.name for layer in layers], sick)
    observed = float(profile[worst])
    learns = _learns(record, occurrence, max_constant_ratio)
    return (
        findings.finding(
            record,
            Severity.WARNING if learns else departures.severity(occurrence),
            layers,
            since_step=occurrence.since_step,
            until_step=occurrence.until_step,
            observed=observed,
            threshold=limits[worst],
            message=(
                f"Units are saturated: in {where} the mean slope of {layers[0].activation} is "
                f"{observed:.2g} of its largest."
            ),
            details=f"So it is {occurrence.text}.",
            evidence=findings.evidence_over_steps(
                record,
                n=findings.values_per_step(record, layers),
                steps=steps[rows],
                values=gain[rows][:, worst],
            ),
            remedies=_remedies(record, occurrence),
        ),
    )


def _learns(record: RunRecord, occurrence: window.Occurrence, max_constant_ratio: float) -> bool:
    """Whether training goes on nevertheless: well, if the layers started saturated."""
    if occurrence.since_step == 0:
        return loss_curve.learns_well(record, WELL_LEARNED)
    return loss_curve.learned(record, max_constant_ratio)


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


def _remedies(record: RunRecord, occurrence: window.Occurrence) -> tuple[Remedy, ...]:
    """Against z far from 0: what training did, else what the data or the initializer bring."""
    if occurrence.since_step > 0:
        return (step_size.lower_learning_rate(record),)
    if record.data.second_moment > LARGE_INPUT:
        return (change_settings(("data.scaling", "standardize")),)
    return causes.smallest_change(record) or (Remedy(Action.SHRINK_WEIGHTS),)
