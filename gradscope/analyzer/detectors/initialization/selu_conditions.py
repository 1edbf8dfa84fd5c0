"""GS402: SELU without what makes it normalize itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.network import is_user_model
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import expectation
from gradscope.catalog.initializers import INITIALIZERS
from gradscope.record import Action, Finding, LayerInfo, Remedy, Role, RunRecord, Severity, Trait
from gradscope.record.remedies import change_settings
from gradscope.theory.moments.gains import weight_gains

PAIRED = "lecun_normal"


@detector("GS402", rank=6)
def selu_conditions(
    record: RunRecord,
    *,
    max_mean: float = 0.1,
    min_variance: float = 0.8,
    max_variance: float = 1.5,
    max_gain_error: float = 0.1,
    max_size_factor: float = 4.0,
    max_constant_ratio: float = 0.9,
    min_steps: float = 50,
) -> tuple[Finding, ...]:
    """Tell whether the conditions hold under which SELU normalizes itself.

    What it measures:
        Four conditions, each with a finding of its own: mean and variance of the features as they
        are fed; fan_in Var w of the weights against the 1 of lecun_normal; plain dropout, which
        shifts the mean (AlphaDropout does not); a layer that some path goes around, where the sum
        is not normalized.
    Error when:
        A condition is broken, the mean square of the last SELU layer's activation at initialisation
        is off from 1 by more than `max_size_factor`, and after `min_steps` recorded steps or more
        the network has not learned.
    Warning when:
        A condition is broken, while SELU copes.
    Not judged when:
        No hidden layer relies on SELU alone; layers with batch norm do not.
    Thresholds:
        max_mean = 0.1: the mean of the features. With the two variances it is the domain that
            theorem 1 of Klambauer et al. 2017 shows to be contracted.
        min_variance = 0.8: the smallest variance of the features in that domain.
        max_variance = 1.5: the largest variance of the features in that domain.
        max_gain_error = 0.1: the distance of fan_in Var w from 1; their tau goes to 1.1.
        max_size_factor = 4: the factor on the mean square of the activations, twice the rms.
            docs/calibration.md has the rates over a corpus.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned, as for `saturated_units`.
        min_steps = 50: the recorded steps from which the network should have learned something.
    Why it matters:
        Mean and variance drift over depth, and a deep SELU network has nothing else to hold them.
    What to do:
        Standardize the features, use lecun_normal, AlphaDropout and a plain stack of layers.
    Source:
        Klambauer et al. 2017.
    """
    layers = [
        record.layers[i]
        for i in record.indices(Role.HIDDEN)
        if record.layers[i].activation == "selu" and not record.layers[i].normalization
    ]
    if not layers:
        raise NotMeasured("no hidden layer relies on SELU alone")
    size = math.nan
    if len(record.steps) and record.steps[0] == 0:
        size = float(record.series["activation_second_moment"][0, layers[-1].index])
    off = math.isfinite(size) and not 1.0 / max_size_factor <= size <= max_size_factor
    grave = (
        off and len(record.steps) > min_steps and not loss_curve.learned(record, max_constant_ratio)
    )
    rms = f"{math.sqrt(size):.3g}" if size > 0 else ""
    now = f"The rms of the activations is {rms} in {layers[-1].name} at the start." if rms else ""
    broken = (
        *_features(record, layers[0], max_mean, min_variance, max_variance),
        *_weights(layers, max_gain_error),
        *_dropout(record, layers),
        *_paths(record, layers),
    )
    return tuple(
        findings.finding(
            record,
            Severity.ERROR if grave else Severity.WARNING,
            condition.layers,
            observed=condition.observed,
            threshold=condition.threshold,
            message=f"A condition of SELU's self-normalization is broken: {condition.reason}.",
            details=now,
            cause=_others(broken, condition),
            remedies=_together(broken, condition),
            evidence=findings.evidence(record, n=condition.n, phase="config"),
        )
        for condition in broken
    )


def _others(broken: Sequence[_Broken], condition: _Broken) -> str:
    """The conditions that are broken beside one: to mend one of them is not enough."""
    others = [other.reason for other in broken if other is not condition]
    return f"Broken too: {'; '.join(others)}." if others else ""


def _together(broken: Sequence[_Broken], condition: _Broken) -> tuple[Remedy, ...]:
    """What mends all conditions at once; the remedies of this one where they cannot be joined."""
    firsts = [other.remedies[0] for other in broken]
    joined = (Action.CHANGE_SETTINGS, Action.REPLACE_DROPOUT)
    if len(broken) < 2 or not all(remedy.action in joined for remedy in firsts):
        return condition.remedies
    settings = tuple(setting for remedy in firsts for setting in remedy.settings)
    last = next((r for r in firsts if r.action is Action.REPLACE_DROPOUT), firsts[0])
    return (replace(last, settings=settings),)


@dataclass(frozen=True)
class _Broken:
    """A condition that does not hold; `n` numbers stand behind `observed`."""

    layers: list[LayerInfo]
    observed: float
    threshold: float
    reason: str
    remedies: tuple[Remedy, ...]
    n: int


def _features(
    record: RunRecord, first: LayerInfo, max_mean: float, least: float, most: float
) -> Iterator[_Broken]:
    """What the first layer is fed, unless something before it normalizes."""
    if expectation.first_normalized(record) or first.index != min(record.indices(Role.HIDDEN)):
        return
    remedies, data = (change_settings(("data.scaling", "standardize")),), record.data
    variance, n = data.second_moment - data.mean**2, data.samples
    if abs(data.mean) > max_mean:
        reason = f"the features have mean {data.mean:.3g}, not 0"
        yield _Broken([first], abs(data.mean), max_mean, reason, remedies, n)
    elif math.isfinite(variance) and not least <= variance <= most:
        bound = least if variance < least else most
        reason = f"the features have standard deviation {math.sqrt(variance):.3g}, not 1"
        yield _Broken([first], variance, bound, reason, remedies, n)


def _weights(layers: list[LayerInfo], max_gain_error: float) -> Iterator[_Broken]:
    errors = []
    for layer in layers:
        if layer.initializer in INITIALIZERS and layer.fan_in and layer.fan_out:
            gains = weight_gains(
                str(layer.initializer), layer.initializer_parameters, layer.fan_in, layer.fan_out
            )
            errors.append((abs(gains.forward - 1.0), gains.forward, layer))
    sick = [layer for error, _, layer in errors if error > max_gain_error]
    if sick:
        error, forward, layer = max(errors, key=lambda item: item[0])
        times = f"{math.sqrt(forward):.3g} times"
        reason = f"{layer.initializer} gives {layer.name} weights {times} as large as {PAIRED}"
        remedies = (change_settings(("model.initializer", PAIRED)),)
        yield _Broken(sick, error, max_gain_error, reason, remedies, len(sick))


def _dropout(record: RunRecord, layers: list[LayerInfo]) -> Iterator[_Broken]:
    sick = [layer for layer in layers if layer.dropout > 0]
    if sick:
        rate = max(layer.dropout for layer in sick)
        reason = f"plain dropout of {rate:g} after {sick[0].name} shifts its mean and variance"
        remedies = (Remedy(Action.REPLACE_DROPOUT, layers=tuple(layer.name for layer in sick)),)
        if not is_user_model(record):  # built-in networks have plain dropout alone
            remedies = (change_settings(("model.dropout", 0.0)),)
        yield _Broken(sick, rate, 0.0, reason, remedies, len(sick))


def _paths(record: RunRecord, layers: list[LayerInfo]) -> Iterator[_Broken]:
    sick = [layer for layer in layers if not layer.main_path]
    if sick and any(_mixes_branches(layer) for layer in record.layers):
        reason = f"something goes around {sick[0].name}, and the sum is not normalized"
        remedies = (Remedy(Action.REMOVE_BRANCHES), Remedy(Action.ADD_NORMALIZATION))
        yield _Broken(sick, float(len(sick)), 0.0, reason, remedies, len(sick))


def _mixes_branches(layer: LayerInfo) -> bool:
    """Whether the units of two branches are no longer apart after the layer."""
    return Trait.MERGE in layer.traits and Trait.CONCATENATION not in layer.traits
