"""GS402: SELU without what makes it normalize itself."""

from __future__ import annotations

import math
from collections.abc import Iterator

from gradscope.analyzer import static_findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.theory import expectation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import Finding, LayerInfo, RunRecord, Trait
from gradscope.theory.moments.gains import weight_gains

PAIRED = "lecun_normal"


@detector("GS402", rank=6)
def selu_conditions(
    record: RunRecord,
    *,
    mean: float = 0.1,
    least_variance: float = 0.8,
    most_variance: float = 1.5,
    gain: float = 0.1,
    lost: float = 4.0,
    learned: float = 0.9,
    fewest: float = 50,
) -> tuple[Finding, ...]:
    """Tell whether the conditions hold under which SELU normalizes itself.

    Each of the four gives a finding of its own. Statistic: mean and variance of the features as fed
    (`mean` 0.1, `least_variance` 0.8 to `most_variance` 1.5: the domain that theorem 1 of
    Klambauer et al. 2017 shows to be contracted); the weights' fan_in Var w against the 1 of
    lecun_normal (`gain`, default 0.1: their tau goes to 1.1); plain dropout, which shifts the mean
    (AlphaDropout does not); a layer that something goes around, where the sum is not normalized.

    Warning while SELU copes; error when the mean square of the last SELU layer's activation at
    initialisation is off from 1 by more than a factor `lost` (default 4: twice the rms) and the
    loss is, after `fewest` (default 50) recorded steps or more, not below `learned` (default 0.9,
    as for `saturated_units`) of a constant answer's (of the first where none is known). Layers with
    batch norm are not judged. docs/calibration.md has what was measured over a corpus.
    """
    layers = [
        record.layers[i]
        for i in record.indices("hidden")
        if record.layers[i].activation == "selu" and not record.layers[i].normalization
    ]
    if not layers:
        raise NotMeasured("no hidden layer relies on SELU alone")
    severity, size = "warning", math.nan
    if len(record.steps) and record.steps[0] == 0:
        size = float(record.series["activation_second_moment"][0, layers[-1].index])
    off = math.isfinite(size) and not 1.0 / lost <= size <= lost
    if off and len(record.steps) > fewest and not loss_curve.learned(record, learned):
        severity = "error"
    now = f" Its activations' mean square is {size:.3g} at {layers[-1].name}." if size > 0 else ""
    found = (
        *_features(record, layers[0], mean, least_variance, most_variance),
        *_weights(layers, gain),
        *_dropout(layers),
        *_paths(record, layers),
    )
    return tuple(
        static_findings.finding(
            record,
            severity,
            sick,
            observed=observed,
            threshold=threshold,
            message=f"A condition of SELU's self-normalization is broken: {why}.{now}",
            remedy=remedy,
        )
        for sick, observed, threshold, why, remedy in found
    )


Broken = tuple[list[LayerInfo], float, float, str, str]


def _features(
    record: RunRecord, first: LayerInfo, mean: float, least: float, most: float
) -> Iterator[Broken]:
    """What the first layer is fed, unless something before it normalizes."""
    if expectation.first_normalized(record) or first.index != min(record.indices("hidden")):
        return
    remedy, data = "data.scaling: standardize", record.data
    variance = data.second_moment - data.mean**2
    if abs(data.mean) > mean:
        why = f"the features have mean {data.mean:.3g}, not 0"
        yield [first], abs(data.mean), mean, why, remedy
    elif math.isfinite(variance) and not least <= variance <= most:
        bound = least if variance < least else most
        yield [first], variance, bound, f"the features have variance {variance:.3g}, not 1", remedy


def _weights(layers: list[LayerInfo], gain: float) -> Iterator[Broken]:
    off = []
    for layer in layers:
        if layer.initializer in INITIALIZERS and layer.fan_in and layer.fan_out:
            gains = weight_gains(
                str(layer.initializer), layer.initializer_parameters, layer.fan_in, layer.fan_out
            )
            off.append((abs(gains.forward - 1.0), gains.forward, layer))
    sick = [layer for away, _, layer in off if away > gain]
    if sick:
        away, forward, layer = max(off, key=lambda item: item[0])
        why = (
            f"{layer.initializer} gives {layer.name} weights of fan_in Var w = {forward:.3g}, not 1"
        )
        yield sick, away, gain, why, f"model.initializer: {PAIRED}"


def _dropout(layers: list[LayerInfo]) -> Iterator[Broken]:
    sick = [layer for layer in layers if layer.dropout > 0]
    if sick:
        rate = max(layer.dropout for layer in sick)
        why = f"plain dropout of {rate:g} after {sick[0].name} shifts its mean and variance"
        yield sick, rate, 0.0, why, "keras.layers.AlphaDropout, or no dropout"


def _paths(record: RunRecord, layers: list[LayerInfo]) -> Iterator[Broken]:
    sick = [layer for layer in layers if not layer.main_path]
    if sick and any(_mixes_branches(layer) for layer in record.layers):
        why = f"something goes around {sick[0].name}, and the sum is not normalized"
        yield sick, float(len(sick)), 0.0, why, "a plain stack of layers, or a normalization"


def _mixes_branches(layer: LayerInfo) -> bool:
    """Whether the units of two branches are no longer apart after the layer."""
    return Trait.MERGE in layer.traits and Trait.CONCATENATION not in layer.traits
