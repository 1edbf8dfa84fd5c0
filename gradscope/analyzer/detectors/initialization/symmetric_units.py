"""GS403: units that are copies of each other."""

from __future__ import annotations

import math
from itertools import groupby

import numpy as np

from gradscope.analyzer import departures, findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import (
    Action,
    Finding,
    LayerInfo,
    Normalization,
    Remedy,
    Role,
    RunRecord,
    Severity,
    Trait,
)
from gradscope.record.run_record import Floats

FLAT = 0.05
"""Mean derivative over the largest one below which units are not compared: `saturated_units` and
`dead_units` judge them."""

EVEN = frozenset(["orthogonal", "identity"])
"""Initializers whose mean square is the same for every draw: equal figures do not mean equal
weights."""


@detector(
    "GS403",
    rank=3,
    causes=(
        "dead_units",
        "vanishing_signal",
        "cut_gradient",
        "vanishing_gradient",
        "vanishing_through_time",
        "frozen_layers",
    ),
)
def symmetric_units(
    record: RunRecord, *, threshold: float = 1e-5, max_constant_ratio: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether the units of a layer compute the same, or layers start as copies of each other.

    What it measures:
        The share of the activations' variance that lies between the units of a layer: 1 minus the
        variance over the batch over the pooled variance. Units with different weights differ in
        their mean over a batch of B samples by at least about 1 / B of it; copies have 0. A kernel
        of zeros counts as copies too.
    Error when:
        The share is below the threshold in at least half of the last quarter of the recorded steps.
        Or all weights of a kernel start as the same number (zeros, ones, constant), and the network
        has not learned: its loss is not below `max_constant_ratio`, nor its accuracy above chance.
    Warning when:
        Training broke the symmetry, and the network learns. Or kernels of one shape have the same
        mean square to the last bit at initialisation: one initializer instance given to several
        layers draws each the same weights.
    Not judged when:
        No hidden layer has several units to compare, no step was recorded, or no activations vary.
    Thresholds:
        threshold = 1e-5: the share. Rounding to float32 leaves up to 2.4e-6 in networks whose
            weights are constant.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned, as for `saturated_units`.
    Why it matters:
        Copies get the same gradient and stay copies: the layer can do no more than one unit.
    What to do:
        Use a random initializer, and a new instance of it for each layer.
    Source:
        Goodfellow et al. 2016, section 8.4 (breaking the symmetry between units).
    """
    indices = tuple(i for i in record.indices(Role.HIDDEN) if _judged(record.layers[i]))
    if not indices:
        raise NotMeasured("no hidden layer has several units to compare")
    if not len(record.steps):
        raise NotMeasured("no step was recorded")
    same_draws = _same_draws(record, threshold)
    learned = loss_curve.learns(record, max_constant_ratio)
    equal = () if learned else _equal_weights(record, indices, threshold)
    if equal:
        return (*equal, *same_draws)
    shares = _between_units(record, indices)
    if np.isnan(shares).all():
        if same_draws:
            return same_draws
        raise NotMeasured("no hidden layer has activations that vary")
    departure = departures.find_departure(record, shares, threshold, below=True)
    if departure is None:
        return same_draws
    layers = [record.layers[indices[i]] for i in departure.layers]
    where = layer_names([layer.name for layer in layers], departure.layers)
    message = f"The units of {where} are copies of each other."
    details = (
        f"So they are {departure.occurrence.text}: they get the same gradient, and each layer can "
        "do no more than one unit."
    )
    entry = INITIALIZERS.get(str(layers[0].initializer))
    constant = entry is not None and not entry.seeded
    copies = departures.departure_finding(
        record,
        indices,
        departure,
        message,
        details=details,
        cause=f"{layers[0].initializer} gives every unit the same weights." if constant else "",
        remedies=(Remedy(Action.RANDOMIZE_WEIGHTS, (("model.initializer", "he_normal"),)),),
    )
    return (copies, *same_draws)


def _equal_weights(
    record: RunRecord, indices: tuple[int, ...], threshold: float
) -> tuple[Finding, ...]:
    """Layers whose weights all start as one number, in a network that has not learned.

    Beside the positions of a convolution the shares between units do not show it, nor behind units
    that have died. Weights that were set after the initializer drew them are others.
    """
    size = record.series["weight_second_moment"][0]
    layers = [
        record.layers[index]
        for index in indices
        if record.steps[0] == 0
        and (value := _one_number(record.layers[index])) is not None
        and math.isclose(size[index], value**2, rel_tol=1e-5)
    ]
    if not layers:
        return ()
    where = layer_names([x.name for x in layers], [indices.index(x.index) for x in layers])
    return (
        findings.finding(
            record,
            Severity.ERROR,
            layers,
            observed=0.0,
            threshold=threshold,
            message=f"The units of {where} start as copies of each other.",
            details="They get the same gradient from such layers, and the network has not learned.",
            cause=f"{layers[0].initializer} gives every unit the same weights.",
            remedies=(Remedy(Action.RANDOMIZE_WEIGHTS, (("model.initializer", "he_normal"),)),),
            evidence=findings.evidence(record, n=findings.values_per_step(record, layers)),
        ),
    )


def _one_number(layer: LayerInfo) -> float | None:
    """The number that the initializer gives every weight; None for another initializer."""
    value = layer.initializer_parameters.get("value", 0.0)
    numbers = {"zeros": 0.0, "ones": 1.0, "constant": value}
    number = numbers.get(str(layer.initializer))
    return float(number) if isinstance(number, (int, float)) else None


def _judged(layer: LayerInfo) -> bool:
    """Batch norm gives every unit the same mean and variance, and then nothing lies between them.

    Not without an activation, and hardly any behind one that is linear in the bulk: only weights
    that were not drawn tell copies there.
    """
    drawn = _random(layer) or layer.initializer in EVEN
    flat = layer.normalization is not None and layer.activation == "linear"
    flat |= layer.normalization == Normalization.BEFORE_ACTIVATION and drawn
    looked_up = Trait.LOOKUP in layer.traits
    return (layer.units or 0) > 1 and not looked_up and layer.main_path and not flat


def _between_units(record: RunRecord, indices: tuple[int, ...]) -> Floats:
    columns = list(indices)
    pooled = record.series["activation_variance"][:, columns]
    within = record.series["activation_sample_variance"][:, columns]
    kernel = record.series["weight_second_moment"][:, columns]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(pooled > 0, np.maximum(0.0, 1.0 - within / pooled), np.nan)
    # Units driven to the same flat end answer alike whatever their weights.
    flat = record.series["derivative_gain"][:, columns] < FLAT
    share = np.where(np.isfinite(share) & ~flat, share, np.nan)
    return np.where(kernel == 0, 0.0, share)


def _same_draws(record: RunRecord, threshold: float) -> tuple[Finding, ...]:
    """Layers that started with the same weights: their figures differ by nothing."""
    if record.steps[0] != 0:
        return ()
    drawn = [record.layers[i] for i in record.indices(Role.HIDDEN) if _random(record.layers[i])]
    weights = record.series["weight_second_moment"][0]

    def key(layer: LayerInfo) -> tuple[int, int, int, float]:
        return (layer.fan_in or 0, layer.fan_out or 0, layer.parameters, weights[layer.index])

    drawn = [layer for layer in drawn if weights[layer.index] > 0]
    groups = (list(group) for _, group in groupby(sorted(drawn, key=key), key))
    tied = sorted(
        (layer for group in groups if len(group) > 1 for layer in group), key=lambda x: x.index
    )
    if not tied:
        return ()
    return (
        findings.finding(
            record,
            Severity.WARNING,
            tied,
            observed=0.0,
            threshold=threshold,
            message=(
                f"{len(tied)} layers from {tied[0].name} to {tied[-1].name} start with the same "
                "weights as another one of their shape."
            ),
            cause="One initializer instance that several layers share gives each the same draw.",
            remedies=(Remedy(Action.SEPARATE_INITIALIZERS, layers=tuple(x.name for x in tied)),),
            evidence=findings.evidence(record, n=min(layer.parameters for layer in tied)),
        ),
    )


def _random(layer: LayerInfo) -> bool:
    """A kernel that was drawn, once per layer: ``dense#2`` is the second call of the same one."""
    entry = INITIALIZERS.get(str(layer.initializer))
    return entry is not None and entry.seeded and entry.name not in EVEN and "#" not in layer.name
