"""GS203: units that no sample activates."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import causes, step_size
from gradscope.catalog.activations import find_activation
from gradscope.record import Action, Finding, LayerInfo, Remedy, Role, RunRecord, Severity
from gradscope.record.remedies import change_settings
from gradscope.record.run_record import Floats, Integers

LARGE_UPDATE = 0.1
"""Share of a layer's size that one step changes from which it may have killed units, as for
`unstable_updates`."""

WHOLE = 0.99
"""Share of dead units from which a layer counts as dead as a whole: all but a stray one."""

FAR = 3.0
"""Standard deviations of a layer's pre-activations, before any training, within which its biases do
not decide which units fire: beyond 3, a normal z is on the one side for 999 inputs of 1000."""

ZERO_BIASES = change_settings(("model.bias_initializer", "zeros"))

LEAKY = Remedy(Action.USE_LEAKY_ACTIVATION, (("model.activation", "leaky_relu"),))


# Before the ratios over depth: what lies behind a layer that nothing passes tells of it alone.
@detector("GS203", rank=8, follows=("non_finite",))
def dead_units(
    record: RunRecord,
    *,
    dead_layer_share: float = WHOLE,
    dying_layer_share: float = 0.5,
    min_growth: float = 0.25,
    min_derivative_gain: float = 1e-3,
    max_constant_ratio: float = 0.9,
    few_live_share: float = 0.9,
    min_samples: float = 100,
) -> tuple[Finding, ...]:
    """Tell whether units of a layer let nothing pass, whatever the input.

    What it measures:
        The share of units whose derivative phi'(z) is exactly zero for every sample of the probe
        set. With n samples, a unit counted as dead still fires for up to 3/n of all inputs (95 %).
    Error when:
        At least `dead_layer_share` of the units of a layer are dead when the probe set was last
        shown, and the network is not good: its loss did not come below half of a constant
        prediction's (of the first loss where none is known), nor its accuracy half of the way from
        chance to all right. Or all are dead, and no path goes around the layer. Or the mean of
        phi'(z) over max phi' is below `min_derivative_gain` in the median of the last quarter of
        the steps, while the network has not learned: stray values keep the units of such a layer
        from being quite dead. Or at least `few_live_share` are dead, most of them since
        initialisation as for a warning, and the network is not good.
    Warning when:
        A layer is dead as a whole and the network learns all the same, around it. Or at least
        `dying_layer_share` are dead for `min_samples` samples or more, and the share grew
        by `min_growth` since initialisation. A deep ReLU network has silent units by geometry
        before any training, because its samples become similar.
    Not judged when:
        No hidden layer has units whose derivative the probe set could show.
    Thresholds:
        dead_layer_share = 0.99: all units but a stray one.
        dying_layer_share = 0.5: half of the units. The shipped healthy configs stay below 0.4
            (tests/test_shipped_configs.py); docs/calibration.md has the rates over a corpus.
        min_growth = 0.25: the growth of the share since initialisation, above what geometry gives.
        min_derivative_gain = 0.001: the share of values that let a gradient pass; fewer than one
            value in a thousand is as good as none.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned, as for `saturated_units`.
        few_live_share = 0.9: the share from which what is left decides: one unit in ten lives. Of
            three ReLU layers that a learning rate of 0.1 (Adam) left with 2 to 9 % of their units,
            accuracies of 20 to 45 % stand beside 85 %. Networks that lose a quarter to 80 % of the
            units of a narrow layer learn all the same.
        min_samples = 100: the samples behind a share: of fewer, many units of a healthy network
            fire for none. With 100 a unit counted as dead fires for 3 % of all inputs at most.
    Why it matters:
        No gradient passes a dead unit, so it stays dead. What is below a dead layer cannot learn.
    What to do:
        Lower the learning rate if training killed the units. Start biases at zero. A leaky
        activation cannot die.
    Source:
        Maas et al. 2013 (leaky ReLU); the rule of three for a share of zero in n samples.
    """
    indices = record.indices(Role.HIDDEN)
    dead = record.series["dead_fraction"][:, list(indices)]
    shown = ~np.all(np.isnan(dead), axis=1)
    if not shown.any():
        raise NotMeasured("no hidden layer has units whose derivative the probe set could show")
    probes = _Probes(record, record.steps[shown], dead[shown])
    whole = probes.share >= dead_layer_share
    dying = (probes.share >= dying_layer_share) & (probes.share - probes.share[0] >= min_growth)
    dying &= ~whole[-1]
    answer: list[Finding] = []
    if whole[-1].any():
        answer.append(_dead(probes, whole, dead_layer_share, _severity(probes, whole[-1])))
    elif not loss_curve.learns(record, max_constant_ratio):
        answer += _nearly_dead(record, indices, min_derivative_gain)
    few = dying & (probes.share >= few_live_share)
    if few[-1].any() and not answer and not loss_curve.learns_well(record):
        answer.append(_dead(probes, dying, few_live_share, Severity.ERROR))
    elif dying[-1].any() and record.probe_samples >= min_samples:
        answer.append(_dead(probes, dying, dying_layer_share, Severity.WARNING))
    return tuple(answer)


def _severity(probes: _Probes, whole: npt.NDArray[np.bool_]) -> Severity:
    """An error where nothing passes to what lies below, or learning suffers.

    A shortcut, as in a U-Net, may go around a dead layer.
    """
    record = probes.record
    indices = record.indices(Role.HIDDEN)
    blocked = [
        position
        for position in np.flatnonzero(whole & (probes.share[-1] == 1.0))
        if record.layers[indices[position]].main_path
    ]
    grave = blocked or not loss_curve.learns_well(record)
    return Severity.ERROR if grave else Severity.WARNING


def _shares(shares: Floats) -> str:
    """The range of the layers' shares: `all`, `98%`, `62 to 98%`."""
    low, high = float(shares.min()), float(shares.max())
    if low >= 1.0:
        return "all"
    least, most = f"{low:.0%}", f"{high:.0%}"
    return most if least == most else f"{least.removesuffix('%')} to {most}"


def _nearly_dead(
    record: RunRecord, indices: tuple[int, ...], min_derivative_gain: float
) -> list[Finding]:
    """Layers that hardly any value of a batch gets through, though no unit may be quite dead."""
    positions = [i for i, index in enumerate(indices) if not _saturates(record.layers[index])]
    gain = record.series["derivative_gain"][:, [indices[i] for i in positions]]
    judged = ~np.all(np.isnan(gain), axis=1)
    if not judged.any():
        return []
    steps, gain = record.steps[judged], gain[judged]
    rows = window.last_quarter(steps)
    typical = window.median(gain[rows])
    shut = [i for i, value in enumerate(typical) if value < min_derivative_gain]
    if not shut:
        return []
    layers = [record.layers[indices[positions[i]]] for i in shut]
    where = layer_names([layer.name for layer in layers], [positions[i] for i in shut])
    occurrence = window.occurrence(steps, np.any(gain[:, shut] < min_derivative_gain, axis=1))
    observed = float(np.min(typical[shut]))
    return [
        findings.finding(
            record,
            Severity.ERROR,
            layers,
            since_step=occurrence.since_step,
            until_step=occurrence.until_step,
            observed=observed,
            threshold=min_derivative_gain,
            message=(
                f"Units are as good as dead: in {where} only {observed:.2g} of the values let a "
                "gradient pass."
            ),
            details=f"So it is {occurrence.text}, and the loss has not fallen.",
            evidence=findings.evidence_over_steps(
                record,
                n=findings.values_per_step(record, layers),
                steps=steps[rows],
                values=np.fmin.reduce(gain[rows][:, shut], axis=1),
            ),
            remedies=(ZERO_BIASES, LEAKY),
        )
    ]


def _saturates(layer: LayerInfo) -> bool:
    """`saturated_units` judges what flattens on both sides."""
    entry = find_activation(str(layer.activation))
    return entry is None or entry.saturates


def _far_below(record: RunRecord, layers: Sequence[LayerInfo]) -> str:
    """Where z of the first of the dead layers lay at the start, if the weights alone do not put it
    there: a mean of at least `FAR` standard deviations, which then is that of the biases."""
    first = layers[0]
    square = float(record.series["preactivation_second_moment"][0, first.index])
    variance = float(record.series["preactivation_variance"][0, first.index])
    mean = square - variance
    if record.steps[0] != 0 or first.normalization or not mean > FAR**2 * variance or mean <= 0.0:
        return ""
    spread = f" with a deviation of {math.sqrt(variance):.2g}" if variance > 0.0 else ""
    return f"z of {first.name} starts at {-math.sqrt(mean):.3g}{spread}: its biases put it there."


def _remedies(record: RunRecord, since: int, far: str) -> tuple[Remedy, ...]:
    if far:
        return (ZERO_BIASES, LEAKY)
    # A learning rate kills no unit before the first update.
    return (step_size.lower_learning_rate(record), LEAKY) if since else (LEAKY,)


@dataclass(frozen=True)
class _Probes:
    """The dead share [probe, hidden layer] and the steps before which the probe set was shown."""

    record: RunRecord
    steps: Integers
    share: Floats


def _dead(
    probes: _Probes, holds: npt.NDArray[np.bool_], threshold: float, severity: Severity
) -> Finding:
    """The layers that are beyond `threshold` when the probe set was last shown, and since when."""
    record = probes.record
    positions = [int(i) for i in np.flatnonzero(holds[-1])]
    layers = [record.layers[record.indices(Role.HIDDEN)[i]] for i in positions]
    where = layer_names([layer.name for layer in layers], positions, count=False)
    since = int(probes.steps[window.onset(np.any(holds[:, positions], axis=1))])
    worst = positions[int(np.argmax(probes.share[-1, positions]))]
    share, start = probes.share[-1, worst], probes.share[0, worst]
    n = record.probe_samples
    message = f"Units are dead: {_shares(probes.share[-1, positions])} of the units in {where}."
    details = (
        f"They let no gradient pass for any of {n} samples since step {since} (in "
        f"{layers[positions.index(worst)].name} {share:.0%}, at initialisation {start:.0%})."
    )
    if share >= WHOLE and severity is Severity.WARNING:
        details += " The network learns all the same, around them."
    elif severity is Severity.ERROR and share >= WHOLE:
        details += " Nothing passes a layer that is dead as a whole: what is below it cannot learn."
    elif severity is Severity.ERROR:
        details += " What is left is too little: the network has hardly learned."
    killed = int(np.flatnonzero(record.steps >= since)[0]) if since else 0
    far = "" if since else _far_below(record, layers)
    return findings.finding(
        record,
        severity,
        layers,
        since_step=since,
        until_step=int(probes.steps[-1]),
        observed=share,
        threshold=threshold,
        message=message,
        details=details,
        cause=causes.largest_update(record, killed + 1, LARGE_UPDATE) if since else far,
        evidence=findings.evidence(
            record,
            n=n,
            batch_size=n,
            steps=tuple(int(step) for step in probes.steps),
            interval=(0.0, min(1.0, 3.0 / n)),
            interval_meaning="share of inputs that may still activate a unit found dead (95 %)",
        ),
        remedies=_remedies(record, since, far),
    )
