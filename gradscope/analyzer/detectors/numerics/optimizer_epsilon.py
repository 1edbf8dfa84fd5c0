"""GS503: gradients below the epsilon of an adaptive optimizer."""

from __future__ import annotations

import numpy as np

from gradscope.analyzer import departures
from gradscope.analyzer.curves import loss_curve
from gradscope.analyzer.detectors import detector
from gradscope.analyzer.message_parts import layer_names
from gradscope.analyzer.not_measured import NotMeasured
from gradscope.catalog.optimizers import OPTIMIZERS
from gradscope.record import Action, Finding, Remedy, Role, RunRecord
from gradscope.record.remedies import change_settings

ADDED_TO_THE_ROOT = frozenset(
    name for name, entry in OPTIMIZERS.items() if entry.epsilon_added_to_root
)
"""Optimizers that divide by sqrt(v) + epsilon (Keras 3.15, their `update_step`). RMSprop, Adagrad
and Adadelta add epsilon below the root, where it is compared with the gradient's square."""


@detector("GS503", rank=52, follows=("vanishing_gradient",))
def optimizer_epsilon(
    record: RunRecord,
    *,
    threshold: float = 0.1,
    max_first_ratio: float = 0.5,
    max_constant_ratio: float = 0.9,
) -> tuple[Finding, ...]:
    """Tell whether Adam's epsilon, not the gradient, sets the size of its steps.

    What it measures:
        The rms of a kernel's gradient over the optimizer's epsilon. Adam moves by the learning rate
        times m / (sqrt(v) + epsilon): with gradients far above epsilon by about the learning rate,
        with gradients far below by their ratio to epsilon only.
    Error when:
        The ratio is below the threshold in at least half of the last quarter of the recorded steps.
    Warning when:
        It is below the threshold at initialisation only, or the network learns all the same.
    Not judged when:
        The optimizer adds no epsilon to the size of the gradient, its epsilon is 0 or not recorded,
        no kernel had a finite gradient other than zero, or the learning rate is too small for
        float32 to add it to the weights. A network whose gradients became small
        as its loss fell below `max_first_ratio` is left out: that is success.
    Thresholds:
        threshold = 0.1: the ratio: steps are then a tenth of what the learning rate says.
        max_first_ratio = 0.5: the loss over the first loss below which gradients may become small.
        max_constant_ratio = 0.9: the loss over that of a constant prediction (over the first loss
            where none is known) below which the network learns, as for `saturated_units`.
    Why it matters:
        The learning rate does not mean what it says, and layers with small gradients stand still.
    What to do:
        Lower epsilon, or do not scale the loss down.
    Source:
        Kingma & Ba 2015, section 2 (Keras's epsilon is their epsilon hat).
    """
    name, epsilon = _stepping(record)
    if name not in ADDED_TO_THE_ROOT:
        raise NotMeasured(f"{name} does not add an epsilon to the gradient's size")
    if not epsilon > 0:
        raise NotMeasured("epsilon is 0")
    indices = record.indices(Role.HIDDEN, Role.OUTPUT)
    gradient = np.sqrt(record.series["kernel_gradient_second_moment"][:, list(indices)])
    if _rate_of_nothing(record, indices):
        raise NotMeasured("the learning rate itself is less than float32 can add to the weights")
    size = np.where(np.isfinite(gradient) & (gradient > 0), gradient / epsilon, np.nan)
    if not indices or np.isnan(size).all():
        raise NotMeasured("no kernel had a finite gradient other than zero")
    departure = departures.find_departure(record, size, threshold, below=True)
    if departure is None:
        return ()
    loss = record.scalars["loss"]
    late = np.median(loss[-len(departure.steps) :])
    if departure.occurrence.since_step > 0 and late < max_first_ratio * loss[0]:
        return ()
    names = [record.layers[indices[i]].name for i in departure.layers]
    message = (
        f"{name}'s epsilon of {epsilon:.0e} outweighs the gradient in "
        f"{layer_names(names, departure.layers, count=False)}: its rms is {departure.extreme:.2g} "
        "of epsilon."
    )
    details = (
        f"The steps are that much shorter than the learning rate says, {departure.occurrence.text}."
    )
    smaller = float(f"{epsilon * departure.extreme / 10:.0e}")
    optimizer = (("training.optimizer.name", name), ("training.optimizer.epsilon", smaller))
    return (
        departures.departure_finding(
            record,
            indices,
            departure,
            message,
            details=details,
            remedies=(change_settings(*optimizer), Remedy(Action.REMOVE_LOSS_SCALE)),
            at_most_warning=loss_curve.learned(record, max_constant_ratio),
        ),
    )


def _rate_of_nothing(record: RunRecord, indices: tuple[int, ...]) -> bool:
    """Whether a step of the whole rate, which none exceeds for long, would change no layer.

    Half a unit in the last place of a float32 is 2^-25 to 2^-24 of it.
    """
    rates = record.scalars["learning_rate"]
    largest = float(np.max(rates[np.isfinite(rates)], initial=0.0))
    size = np.sqrt(record.series["weight_second_moment"][:1, list(indices)])
    size = size[np.isfinite(size) & (size > 0)]
    return bool(size.size and 0.0 < largest < 2.0**-25 * float(size.min()))


def _stepping(record: RunRecord) -> tuple[str, float]:
    """Name and epsilon of the optimizer that stepped, 0.0 where it has none."""
    if record.objective is not None and record.objective.optimizer:
        return record.objective.optimizer, float(record.objective.epsilon or 0.0)
    optimizer = record.config["training"]["optimizer"]
    if not isinstance(optimizer, dict):
        raise NotMeasured("the optimizer was compiled into the model, its epsilon is not recorded")
    return str(optimizer["name"]), float(optimizer["parameters"].get("epsilon") or 0.0)
