"""GS104: layers whose weights stay where they are."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from gradscope.analyzer import findings
from gradscope.analyzer.curves import gradient_cut, loss_curve, window
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import step_size
from gradscope.record import Action, Finding, Remedy, Role, RunRecord, Severity
from gradscope.record.remedies import change_settings

UNIT_ROUNDOFF = 2.0**-24
"""Largest relative error of rounding to float32: a smaller update of a weight is rounded away."""

WHOLE_NETWORK = 1e-2
"""Share of the unit roundoff below which a network stands still as a whole: of normal weights,
whose small ones take smaller updates, less than one in a hundred moves then."""

SCALE_HALVINGS = 15
"""Skipped steps after which Keras's first loss scale, 2^15, is 1: what overflows then is no longer
owed to the scale."""

CLIPPED = 1e-3
"""Limit of the gradient's norm over that norm below which it is clipped to almost nothing, as for a
gradient that vanishes over depth."""

LEFT_BEHIND = 1e-3
"""Share of the fastest layer's update below which one is left behind: the ratio over depth at which
a gradient has vanished."""


@detector(
    "GS104",
    rank=70,
    follows=(
        "non_finite",
        "vanishing_signal",
        "saturated_units",
        "dead_units",
        "cut_gradient",
        "vanishing_gradient",
        "optimizer_epsilon",
        "underflow",
    ),
)
def frozen_layers(
    record: RunRecord, *, threshold: float = UNIT_ROUNDOFF, max_constant_ratio: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether layers stay as they were initialised because no update reaches them.

    What it measures:
        The rms of the change that the optimizer asked for over the rms of the kernel, as a mean
        over the last quarter of the steps.
    Error when:
        No weight of the network is trainable. Or single layers are below the threshold and below a
        thousandth of the layer that moves most. Or all layers are below a hundredth of the
        threshold: then less than one weight in a hundred is small enough to move.
    Warning when:
        All layers are below the threshold by less: the learning rate is tiny.
    Not judged when:
        No update was made; steps that the optimizer skipped because gradients of the scaled loss
        overflowed are none, up to the 15 that bring Keras's loss scale from 2^15 to 1. A network
        whose layers moved first and stopped together, with a loss that says it has learned, has
        converged and is not frozen. A layer that some path goes around and no gradient reaches is
        left to `cut_gradient`.
    Thresholds:
        threshold = 2^-24: the ratio, the unit roundoff of float32. A weight of usual size plus a
            smaller update rounds back to the weight.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network has learned.
    Why it matters:
        Whatever the layers were initialised to, they keep.
    What to do:
        Raise the learning rate. Where the gradient is zero no rate helps: an output activation that
        has no slope for any sample (a ReLU below zero) is named. If the layers are not meant to
        learn, set trainable = False. Where all are set so, set trainable = True; in Keras 3 it
        counts after compile as well.
    Source:
        IEEE 754, binary32: the unit roundoff.
    """
    if untrained := _none_trainable(record):
        return (untrained,)
    unused = gradient_cut.cut_layers(record)
    weighted = record.indices(Role.HIDDEN, Role.OUTPUT)
    indices = tuple(i for i in weighted if record.layers[i].main_path or not unused[i])
    updated = _updated(record)
    steps, update = record.steps[updated], record.series["update_ratio"][updated][:, list(indices)]
    if np.isnan(update).all():
        raise NotMeasured(_why_none(record))
    rows = window.last_quarter(steps)
    # The mean, not the median: gradients that are accumulated over steps move nothing in most.
    typical = window.mean(update[rows])
    if not np.any(typical < threshold):
        return ()
    fastest = float(np.nanmax(typical))
    whole = fastest < threshold
    limit = threshold if whole else min(threshold, LEFT_BEHIND * fastest)
    sick = [i for i, ratio in enumerate(typical) if ratio < limit]
    if not sick:
        return ()
    onset = window.occurrence(steps, np.mean(update[:, sick] < threshold, 1) >= 0.5).since_step
    if whole and onset > 1 and loss_curve.learned(record, max_constant_ratio):
        return ()
    layers = [record.layers[indices[i]] for i in sick]
    names = tuple(layer.name for layer in layers)
    where = "all layers" if len(sick) == len(indices) else layer_names(names, sick)
    observed = float(np.max(typical[sick]))
    grave = not whole or fastest < WHOLE_NETWORK * threshold
    slowest = np.fmax.reduce(update[rows][:, sick], axis=1)
    flat = _flat_output(record) if whole else ""
    return (
        findings.finding(
            record,
            Severity.ERROR if grave else Severity.WARNING,
            layers,
            since_step=onset,
            observed=observed,
            threshold=threshold,
            message=_message(where, observed),
            details=_details(onset, "any" if grave else "most"),
            cause=(flat or _clipped(record)) if whole else "",
            remedies=_remedies(record, [x.index for x in layers], whole=whole, flat=bool(flat)),
            evidence=findings.evidence_over_steps(
                record, n=min(x.parameters for x in layers), steps=steps[rows], values=slowest
            ),
        ),
    )


def _none_trainable(record: RunRecord) -> Finding | None:
    """The finding for a network of which nothing can be trained."""
    start = record.objective_start
    counts = start.weights if start is not None else None
    if counts is None or counts.trained or not counts.weights:
        return None
    by = ", ".join(counts.frozen_by[:3])
    return findings.finding(
        record,
        Severity.ERROR,
        [layer for layer in record.layers if layer.weighted and layer.parameters],
        observed=0.0,
        threshold=1.0,
        message=f"None of the {counts.weights} weights is trainable: nothing can learn.",
        cause=f"trainable = False on {by}." if by else "",
        remedies=(Remedy(Action.TRAIN_LAYERS, layers=counts.frozen_by[:3]),),
        evidence=findings.evidence(
            record,
            n=counts.parameters,
            phase="config",
            interval=(0.0, 0.0),
            interval_meaning="share of the weights that train",
        ),
    )


def _updated(record: RunRecord) -> npt.NDArray[np.bool_]:
    """Which rows have an update: where values are not finite, the optimizer may have made none.

    A loss scale that still overflows when its halvings should have ended it hides a fault.
    """
    lost = np.nansum(record.series["nonfinite_count"], axis=1) > 0
    updated: npt.NDArray[np.bool_] = (record.steps > 0) & ~lost
    skipped = _skipped(record)
    if np.count_nonzero(skipped) <= SCALE_HALVINGS:
        updated &= ~skipped
    return updated & np.isfinite(record.scalars["loss"])


def _why_none(record: RunRecord) -> str:
    """The reason why no step has an update."""
    if not _skipped(record).any():
        return "no update was made"
    return "the optimizer skipped each step, as gradients of the scaled loss overflowed"


def _skipped(record: RunRecord) -> npt.NDArray[np.bool_]:
    """Which steps have an update of zero and no gradient: the optimizer skipped them."""
    known = (
        np.isfinite(record.series[name]).any(axis=1)
        for name in ("delta_second_moment", "kernel_gradient_second_moment")
    )
    still = np.nan_to_num(record.series["update_ratio"], nan=0.0).max(axis=1, initial=0.0) == 0.0
    skipped: npt.NDArray[np.bool_] = (record.steps > 0) & still & ~np.any([*known], axis=0)
    return skipped


def _remedies(
    record: RunRecord, indices: list[int], *, whole: bool, flat: bool
) -> tuple[Remedy, ...]:
    """A larger rate, computed where it is that of the whole network; or layers that stay so.

    No rate helps where the gradient is zero, as behind an output that is `flat`.
    """
    if flat and record.data.classes is None:
        return (change_settings(("model.output.activation", "linear")),)
    freeze = Remedy(Action.FREEZE_LAYERS, layers=tuple(record.layers[i].name for i in indices))
    if _without_gradient(record, indices):
        return (freeze,)
    if whole and (limit := _usual_limit(record)) is not None:
        return (change_settings((f"training.optimizer.{limit[0]}", limit[1])),)
    computed = step_size.raise_learning_rate(record) if whole else ()
    return (*(computed or (Remedy(Action.RAISE_LEARNING_RATE),)), freeze)


def _usual_limit(record: RunRecord) -> tuple[str, float] | None:
    """The setting that clips the gradient to less than `CLIPPED` of its norm, and that norm.

    The norm is that of all kernels at the first step. None where nothing clips so far.
    """
    objective = record.objective
    if objective is None or objective.clip_limit is None or not len(record.steps):
        return None
    square = record.series["kernel_gradient_second_moment"][0]
    sizes = np.array([layer.parameters for layer in record.layers], float)
    norm = math.sqrt(float(np.nansum(square * sizes)))
    return (objective.clip, float(f"{norm:.1g}")) if objective.clip_limit < CLIPPED * norm else None


def _clipped(record: RunRecord) -> str:
    """That the optimizer clips the gradient to next to nothing; "" where it does not."""
    limit, objective = _usual_limit(record), record.objective
    if limit is None or objective is None:
        return ""
    return (
        f"{objective.clip}={objective.clip_limit:g} takes the gradient, whose norm is about "
        f"{limit[1]:g} at the start, to almost nothing."
    )


def _without_gradient(record: RunRecord, indices: list[int]) -> bool:
    """Whether the gradient of these kernels was measured, and zero at the last steps."""
    rows = window.last_quarter(record.steps)
    gradient = record.series["kernel_gradient_second_moment"][rows][:, indices]
    return bool(np.isfinite(gradient).any()) and not np.nan_to_num(gradient, nan=0.0).any()


def _flat_output(record: RunRecord) -> str:
    """That no value of the output is where its activation has a slope; "" where some is."""
    for index in record.indices(Role.OUTPUT):
        layer, rows = record.layers[index], window.last_quarter(record.steps)
        slope = record.series["derivative_gain"][rows, index]
        if np.isfinite(slope).any() and not np.nan_to_num(slope, nan=0.0).any():
            return (
                f"The {layer.activation} of {layer.name} has a slope of 0 for every sample: no "
                "gradient passes it."
            )
    return ""


def _message(where: str, observed: float) -> str:
    size = f"at most {observed:.2g} of their size" if observed > 0 else "nothing to them"
    return f"Weights stand still in {where}: a step adds {size}."


def _details(step: int, weights: str) -> str:
    since = "since the first step" if step <= 1 else f"since step {step}"
    return f"That is less (rms) than float32 can add to {weights} weights, {since}."
