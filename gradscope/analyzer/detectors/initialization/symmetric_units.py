"""GS403: units that are copies of each other."""

from __future__ import annotations

from itertools import groupby

import numpy as np

from gradscope.analyzer import ratio_findings, static_findings
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import Finding, LayerInfo, RunRecord, Trait
from gradscope.record.run_record import Floats

FLAT = 0.05
"""Mean derivative over the largest one below which units are not compared: `saturated_units` and
`dead_units` judge them."""

EVEN = frozenset(["orthogonal", "identity"])
"""Initializers whose mean square is the same for every draw: equal figures do not mean equal
weights."""


@detector("GS403", rank=3)
def symmetric_units(record: RunRecord, *, threshold: float = 1e-5) -> tuple[Finding, ...]:
    """Tell whether the units of a layer compute the same, or layers start as copies of each other.

    Statistic: share of the activations' variance that lies between the units of a layer, 1 minus
    the variance over the batch over the pooled variance. Units with different weights differ in
    their mean over a batch of B samples by at least about 1 / B of it; copies have 0 and, since
    they get the same gradient, stay copies. A kernel of zeros counts as copies too.

    Error below `threshold` in at least half of the last quarter of the recorded steps, warning when
    training broke the symmetry. Default 1e-5: rounding to float32 leaves up to 2.4e-6 in constant
    networks. Warning as well when kernels of one shape have the same mean square to the last bit at
    initialisation: one initializer instance given to several layers draws each the same weights.
    """
    indices = tuple(i for i in record.indices("hidden") if _judged(record.layers[i]))
    if not indices:
        raise NotMeasured("no hidden layer has several units to compare")
    if not len(record.steps):
        raise NotMeasured("no step was recorded")
    findings = list(_copies(record, threshold))
    shares = _between(record, indices)
    if np.isnan(shares).all():
        if findings:
            return tuple(findings)
        raise NotMeasured("no hidden layer has activations that vary")
    found = ratio_findings.departure(record, shares, threshold, below=True)
    if found is not None:
        sick = [record.layers[indices[i]] for i in found.layers]
        message = (
            f"The units of {named([layer.name for layer in sick], found.layers)} are copies of "
            f"each other, {found.spell.words}: they get the same gradient, and each layer can do "
            "no more than one unit."
        )
        cause = f"{sick[0].initializer} gives every unit the same weights."
        known = INITIALIZERS.get(str(sick[0].initializer))
        findings.insert(
            0,
            ratio_findings.finding(
                record,
                indices,
                found,
                message,
                cause=cause if known is not None and not known.seeded else "",
                remedy="a random model.initializer, such as he_normal",
            ),
        )
    return tuple(findings)


def _judged(layer: LayerInfo) -> bool:
    """Batch norm gives every unit the same mean and variance, and then nothing lies between them.

    Not without an activation, and hardly any behind one that is linear in the bulk: only weights
    that were not drawn tell copies there.
    """
    drawn = _random(layer) or layer.initializer in EVEN
    flat = layer.normalization is not None and layer.activation == "linear"
    flat |= layer.normalization == "before_activation" and drawn
    looked_up = Trait.LOOKUP in layer.traits
    return (layer.units or 0) > 1 and not looked_up and layer.main_path and not flat


def _between(record: RunRecord, indices: tuple[int, ...]) -> Floats:
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


def _copies(record: RunRecord, threshold: float) -> list[Finding]:
    """Layers that started with the same weights: their figures differ by nothing."""
    if record.steps[0] != 0:
        return []
    drawn = [record.layers[i] for i in record.indices("hidden") if _random(record.layers[i])]
    weights = record.series["weight_second_moment"][0]

    def key(layer: LayerInfo) -> tuple[int, int, int, float]:
        return (layer.fan_in or 0, layer.fan_out or 0, layer.parameters, weights[layer.index])

    drawn = [layer for layer in drawn if weights[layer.index] > 0]
    groups = (list(group) for _, group in groupby(sorted(drawn, key=key), key))
    tied = sorted(
        (layer for group in groups if len(group) > 1 for layer in group), key=lambda x: x.index
    )
    if not tied:
        return []
    return [
        static_findings.finding(
            record,
            "warning",
            tied,
            observed=0.0,
            threshold=threshold,
            message=(
                f"{len(tied)} layers from {tied[0].name} to {tied[-1].name} start with the same "
                "weights as another one of their shape."
            ),
            cause="One initializer instance that several layers share gives each the same draw.",
            remedy="an initializer's name, or a new instance for each layer",
            n=min(layer.parameters for layer in tied),
            phase="training",
        )
    ]


def _random(layer: LayerInfo) -> bool:
    """A kernel that was drawn, once per layer: ``dense#2`` is the second call of the same one."""
    known = INITIALIZERS.get(str(layer.initializer))
    return known is not None and known.seeded and known.name not in EVEN and "#" not in layer.name
