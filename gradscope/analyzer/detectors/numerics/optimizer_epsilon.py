"""GS503: gradients below the epsilon of an adaptive optimizer."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import ratio_findings
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import NotMeasured, detector
from gradscope.analyzer.wording import named
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.record import Finding, RunRecord

ADDED_TO_THE_ROOT = frozenset(
    name for name, entry in OPTIMIZERS.items() if entry.epsilon_added_to_root
)
"""Optimizers that divide by sqrt(v) + epsilon (Keras 3.15, their `update_step`). RMSprop, Adagrad
and Adadelta add epsilon below the root, where it is compared with the gradient's square."""


@detector("GS503", rank=52, follows=("vanishing_gradient",))
def optimizer_epsilon(
    record: RunRecord, *, threshold: float = 0.1, converged: float = 0.5, learned: float = 0.9
) -> tuple[Finding, ...]:
    """Tell whether Adam's epsilon, not the gradient, sets the size of its steps.

    Statistic: rms of a kernel's gradient over the optimizer's epsilon. Adam moves by learning rate
    times m / (sqrt(v) + epsilon): with gradients far above epsilon by about the learning rate, with
    gradients far below by their ratio to epsilon only (Kingma & Ba 2015; Keras's is epsilon hat).

    Error below `threshold` in at least half of the last quarter of the recorded steps; warning when
    only at initialisation, or when the loss is below `learned` (default 0.9, as for
    `saturated_units`) of a constant answer's (of the first where none is known) all the same.
    Default 0.1: steps are then a tenth of what the learning rate says. A kernel without any
    gradient is not judged, and neither is a network whose gradients became small as its loss fell
    below `converged` (default 0.5) of the first one: that is success.
    """
    name, epsilon = _stepping(record)
    if name not in ADDED_TO_THE_ROOT:
        raise NotMeasured(f"{name} does not add an epsilon to the gradient's size")
    if not epsilon > 0:
        raise NotMeasured("epsilon is 0")
    indices = record.indices("hidden", "output")
    gradient = np.sqrt(record.series["kernel_gradient_second_moment"][:, list(indices)])
    size = np.where(np.isfinite(gradient) & (gradient > 0), gradient / epsilon, np.nan)
    if not indices or np.isnan(size).all():
        raise NotMeasured("no kernel had a finite gradient other than zero")
    found = ratio_findings.departure(record, size, threshold, below=True)
    if found is None:
        return ()
    loss = record.scalars["loss"]
    if found.spell.since_step > 0 and np.median(loss[-len(found.steps) :]) < converged * loss[0]:
        return ()
    names = [record.layers[indices[i]].name for i in found.layers]
    message = (
        f"{name}'s epsilon of {epsilon:.0e} outweighs the gradient in "
        f"{named(names, found.layers)}: its rms is {found.extreme:.2g} of epsilon, "
        f"{found.spell.words}, and the steps are that much shorter than the learning rate says."
    )
    smaller = f"{{name: {name}, epsilon: {epsilon * found.extreme / 10:.0e}}}"
    remedy = f"training.optimizer: {smaller}, or a loss that is not scaled down"
    learns = loss_curve.learned(record, learned)
    return (
        ratio_findings.finding(record, indices, found, message, remedy=remedy, grave=not learns),
    )


def _stepping(record: RunRecord) -> tuple[str, float]:
    """Name and epsilon of the optimizer that stepped, 0.0 where it has none."""
    if record.objective is not None and record.objective.optimizer:
        return record.objective.optimizer, float(record.objective.epsilon or 0.0)
    optimizer = record.config["training"]["optimizer"]
    if not isinstance(optimizer, dict):
        raise NotMeasured("the optimizer was compiled into the model, its epsilon is not recorded")
    return str(optimizer["name"]), float(optimizer["parameters"].get("epsilon") or 0.0)
