"""GS103: layers that no gradient reaches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import gradient_cut
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.record import Action, Finding, LayerInfo, Remedy, Role, RunRecord, Severity


@detector("GS103", rank=35)
def cut_gradient(
    record: RunRecord, *, threshold: float = gradient_cut.NONE, most_layers: float = 0.5
) -> tuple[Finding, ...]:
    """Tell whether trainable layers are cut off from the loss: no gradient reaches them at all.

    What it measures:
        The rms of delta over that of the next later layer that has one, at every recorded step
        after the first update, and the gradient of the kernel. An operation without a derivative
        (argmax, round, a cast to integers, stop_gradient), a layer whose output nothing uses, or an
        output without a loss leave exactly zero.
    Error when:
        The ratio is at or below the threshold at every step, and every path goes through the layer.
        Or the loss depends on no weight at all: no layer can be measured, or every gradient of
        every step is exactly zero at a loss that is not. Or some path goes around the layers, such
        as the shortcut of a residual block, and they are at least `most_layers` of all with
        weights: what trains is then another network.
    Warning when:
        The same holds for fewer layers that some path goes around, such as an output that is not
        trained.
    Not judged when:
        The network was seen before its first update only (an output layer that starts at zero lets
        nothing pass before it), or no layer with weights is measured. Layers without trainable
        weights, gradients that faded below float32 on their way (`underflow`) and layers below one
        whose units are all dead (`dead_units`) are left out.
    Thresholds:
        threshold = 1e-12: the ratio. No single layer dilutes a gradient by a factor of 1e12, and an
            unconnected path gives exactly 0.
        most_layers = 0.5: the share of the layers with weights. A judgement.
    Why it matters:
        The weights of these layers keep their random start.
    What to do:
        Look for the operation without a derivative, or for the output that nothing uses. If the
        layer is not meant to learn, set trainable = False.
    Source:
        The chain rule: an unconnected path has a derivative of exactly zero.
    """
    measured = record.indices(Role.HIDDEN, Role.OUTPUT)
    before, aside = gradient_cut.unreached(record)
    if before and not measured:
        return (_whole_network(record, before, threshold, n=len(before), phase="graph"),)
    if not np.any(record.steps > 1):
        raise NotMeasured("the network was seen before its first update only")
    if not measured:
        raise NotMeasured("no layer with weights is measured")
    last_dead = _last_dead(record)
    if last_dead < 0 and _all_zero(record, measured):
        layers = [record.layers[i] for i in measured]
        n = int(np.count_nonzero(record.steps > 1))
        return (_whole_network(record, layers, threshold, n=n, phase="training"),)
    cut = np.flatnonzero(gradient_cut.cut_layers(record, threshold)).tolist()
    silent = [i for i in cut if i > last_dead]
    on_path = [*before, *(record.layers[i] for i in silent if record.layers[i].main_path)]
    around = [record.layers[i] for i in silent if not record.layers[i].main_path]
    grave = around and len(silent) >= most_layers * len(measured)
    aside = [*aside, *around]
    return tuple(
        _finding(record, severity, sorted(layers, key=lambda layer: layer.index), silent, threshold)
        for severity, layers in (
            (Severity.ERROR, on_path),
            (Severity.ERROR if grave else Severity.WARNING, aside),
        )
        if layers
    )


def _whole_network(
    record: RunRecord, layers: Sequence[LayerInfo], threshold: float, *, n: int, phase: str
) -> Finding:
    """The loss depends on no weight."""
    names = tuple(layer.name for layer in layers)
    return findings.finding(
        record,
        Severity.ERROR,
        layers,
        observed=0.0,
        threshold=threshold,
        message="No gradient reaches any layer: the loss depends on no weight.",
        cause=f"It is lost behind {names[-1]}.",
        remedies=(Remedy(Action.RECONNECT_LAYERS, layers=names),),
        evidence=findings.evidence(record, n=n, phase=phase),
    )


def _finding(
    record: RunRecord,
    severity: Severity,
    layers: Sequence[LayerInfo],
    silent: Sequence[int],
    threshold: float,
) -> Finding:
    names = tuple(layer.name for layer in layers)
    positions = [layer.index for layer in layers]
    later = [
        record.layers[i]
        for i in record.indices(Role.HIDDEN, Role.OUTPUT)
        if i > positions[-1] and i not in silent
    ]
    between = f"It is lost between {later[0].name} and {names[-1]}." if later else ""
    return findings.finding(
        record,
        severity,
        layers,
        observed=0.0,
        threshold=threshold,
        message=f"No gradient reaches {layer_names(names, positions)} at any step.",
        details=between,
        remedies=(
            Remedy(Action.RECONNECT_LAYERS, layers=names),
            Remedy(Action.FREEZE_LAYERS, layers=names),
        ),
        evidence=findings.evidence(record, n=int(np.count_nonzero(record.steps > 1))),
    )


def _all_zero(record: RunRecord, measured: Sequence[int]) -> bool:
    """Whether delta and the kernels' gradients were zero at every step, and the loss never was."""
    rows, columns = record.steps > 0, list(measured)
    gradients = [
        record.series[name][rows][:, columns]
        for name in ("delta_second_moment", "kernel_gradient_second_moment")
    ]
    known = np.isfinite(gradients[0]).any()
    slope = record.series["derivative_gain"][rows][:, columns]
    values = record.series["zero_fraction"][rows][:, columns]
    if np.any(slope == 0.0) or np.any(values >= 1.0):
        return False  # an activation without a slope is the reason, not a loss that is cut off
    zero = all(bool(np.all(np.nan_to_num(values, nan=0.0) == 0.0)) for values in gradients)
    loss = record.scalars["loss"][rows]
    return bool(known and zero and np.all(np.isfinite(loss)) and np.all(loss != 0.0))


def _last_dead(record: RunRecord) -> int:
    """Index of the last layer that was seen with all its units dead; -1 if there is none."""
    dead = record.series["dead_fraction"]
    return max((i for i in range(len(record.layers)) if np.any(dead[:, i] >= 1.0)), default=-1)
