"""GS105: updates as large as the weights they change."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gradscope.analyzer import findings
from gradscope.analyzer.curves import loss_curve, window
from gradscope.analyzer.curves.loss_curve import STEPS_TO_LEARN
from gradscope.analyzer.curves.weight_constraints import layers_under_constraint
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names, times_text
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.analyzer.theory import step_size
from gradscope.record import Finding, LayerInfo, Remedy, Role, RunRecord, Severity
from gradscope.record.remedies import change_settings
from gradscope.record.run_record import Floats, Integers

USUAL_DECAY = 0.004
"""Keras's default of AdamW."""

SHRUNK = 0.1
"""Size of a layer's weights over that at the start below which a change is large beside little:
what a penalty has taken to nothing is not rewritten by the rate."""


# After `dead_units`, whose cause names the largest update, and before what large updates bring.
@detector(
    "GS105",
    rank=10,
    follows=(
        "non_finite",
        "exploding_signal",
        "exploding_gradient",
        "batch_norm_explosion",
        "dead_units",
    ),
    then_causes=(
        "vanishing_signal",
        "saturated_units",
        "vanishing_gradient",
        "collapsed_representation",
        "frozen_layers",
    ),
)
def unstable_updates(
    record: RunRecord,
    *,
    max_median_update: float = 0.1,
    max_single_update: float = 1.0,
    max_constant_ratio: float = 0.5,
    lost_start_update: float = 10.0,
) -> tuple[Finding, ...]:
    """Tell whether single steps rewrite the weights instead of improving them.

    What it measures:
        The rms of the change that the optimizer really made to a kernel over the rms of the kernel
        before it, for any optimizer.
    Error when:
        The median over the last quarter of the steps is above `max_median_update`. Or one step was
        above `lost_start_update`, so that nothing is left of the layer's start, and after 50
        recorded steps or more the network is not good: its loss is not below `max_constant_ratio`,
        nor its accuracy half of the way from chance to all right. Batch norm and the gates of an
        LSTM recover from such a step in part.
    Warning when:
        One step was above `max_single_update` and the network learns all the same, or the median is
        between the two thresholds and it does.
    Not judged when:
        No update was made. Layers are left out whose weights started at zero, or that shrank to a
        tenth of their size at the start, as under a penalty. So is the first step of a layer whose
        constraint changes its initial weights: most of that change is the constraint's.
    Thresholds:
        max_median_update = 0.1: a hundred times the 1e-3 that practice aims at; ten steps then
            replace a layer.
        max_single_update = 1: one step replaces a layer.
        max_constant_ratio = 0.5: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network learns.
        lost_start_update = 10: one step leaves a tenth of the layer's start. Healthy networks whose
            embedding starts small reach 1 in their first step with Adam, those of the wide corpus
            with 300 times their learning rate 17 and more.
    Why it matters:
        What a layer has learned is lost again at the next step.
    What to do:
        Lower the learning rate; or the weight decay, where that makes most of the change.
    Source:
        A ratio of 1e-3 as the aim of practice: Karpathy, CS231n, "ratio of weights to updates".
    """
    indices = record.indices(Role.HIDDEN, Role.OUTPUT)
    steps, update = _updates(record, indices)
    rows = np.arange(len(steps))[window.last_quarter(steps)]
    median = window.median(update[rows])
    sick = np.flatnonzero(median > max_median_update)
    if lasts := bool(sick.size):
        since = int(steps[window.onset(np.any(update[:, sick] > max_median_update, axis=1))])
        observed, resting = float(np.max(median[sick])), rows
        calm = observed <= max_single_update and loss_curve.learns_well(record, max_constant_ratio)
        when, severity = f"since step {since}", _severity(lost=not calm)
    else:
        peaks = np.fmax.reduce(update, axis=1)
        resting = np.flatnonzero(peaks > max_single_update)
        if not resting.size:
            return ()
        sick = np.flatnonzero(np.any(update > max_single_update, axis=0))
        since, observed = int(steps[resting[0]]), float(peaks.max())
        when = f"at step {int(steps[np.argmax(peaks)])}"
        learns = len(steps) < STEPS_TO_LEARN or loss_curve.learns_well(record, max_constant_ratio)
        severity = _severity(lost=observed > lost_start_update and not learns)
    layers = [record.layers[indices[i]] for i in sick]
    return (
        findings.finding(
            record,
            severity,
            layers,
            since_step=since,
            until_step=int(steps[resting[-1]]),
            observed=observed,
            threshold=max_median_update if lasts else max_single_update,
            message=_message(layers, sick.tolist(), observed),
            details=f"That is the rms of the change, {when}; a thousandth is usual.",
            cause=_decay(record, observed) or _learning_rate(record.scalars["learning_rate"]),
            evidence=findings.evidence_over_steps(
                record,
                n=min(layer.parameters for layer in layers),
                steps=steps[resting],
                values=np.fmax.reduce(update[resting][:, sick], axis=1),
            ),
            remedies=(_remedy(record, observed),),
        ),
    )


def _severity(*, lost: bool) -> Severity:
    return Severity.ERROR if lost else Severity.WARNING


def _updates(record: RunRecord, indices: tuple[int, ...]) -> tuple[Integers, Floats]:
    """The steps that made an update, and the update ratios at them, [step, layer]."""
    columns = list(indices)
    update = record.series["update_ratio"][:, columns]
    update = np.where(np.isfinite(update), update, np.nan)
    size = np.sqrt(record.series["weight_second_moment"][:, columns])
    # Beside weights that start at zero the first change is large whatever the rate.
    update[:, np.any(size[:1] == 0.0, axis=0)] = np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        update[size / size[:1] < SHRUNK] = np.nan
    held = layers_under_constraint(record)
    update[np.ix_(record.steps == 1, [record.layers[i].name in held for i in indices])] = np.nan
    judged = ~np.all(np.isnan(update), axis=1)
    if not judged.any():
        raise NotMeasured("no update was made")
    return record.steps[judged], update[judged]


def _message(layers: Sequence[LayerInfo], positions: Sequence[int], observed: float) -> str:
    where = layer_names([layer.name for layer in layers], positions)
    size = times_text(observed)
    return f"Updates are unstable in {where}: a step changes the weights by {size} their size."


def _remedy(record: RunRecord, observed: float) -> Remedy:
    """Less weight decay where that makes the update, else a smaller rate."""
    if _decay(record, observed):
        return change_settings(("training.optimizer.weight_decay", USUAL_DECAY))
    return step_size.lower_learning_rate(record)


def _decay(record: RunRecord, observed: float) -> str:
    """That the weight decay makes most of the update; "" where it does not."""
    decay = record.objective.weight_decay if record.objective is not None else None
    rates = record.scalars["learning_rate"]
    rates = rates[np.isfinite(rates)]
    if not decay or not rates.size or not rates.max() * decay > observed / 2:
        return ""
    return f"A weight_decay of {decay:g} takes {rates.max() * decay:.2g} of each weight at a step."


def _learning_rate(rates: Floats) -> str:
    """The largest learning rate in use; "" where none was recorded."""
    rates = rates[np.isfinite(rates)]
    return f"The learning rate is {rates.max():.3g}." if rates.size else ""
