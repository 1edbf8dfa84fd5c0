"""Constraints that take from the weights what their initializer gives."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradscope.record import (
    ConstrainedStart,
    InitialWeight,
    LossValues,
    ObjectiveInfo,
    ObjectiveStart,
    RunRecord,
    WeightConstraint,
)
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import record


def weight(layer: str, change: float = 0.999) -> InitialWeight:
    """The kernel of a layer under MaxNorm(0.001), which changes its initial entries so much."""
    bound = WeightConstraint("MaxNorm", 1 - change, change, {"max_value": 0.001, "axis": 0}, 1.4)
    drawn = InitialWeight(layer, "kernel", (100, 100), "float32", 100, 100, 0, 0.01, -0.2, 0.2)
    return replace(drawn, constraint=bound)


def net(
    deviation: float,
    rms: float = 1.0,
    *,
    loss: object = 2.5,
    change: float = 0.999,
    several: bool = False,
    held_loss: float | None = None,
    values: LossValues | None = None,
) -> RunRecord:
    """Pre-activations of rms 1 and deviation 0.5, and what a constraint makes of them."""
    name = "sparse_categorical_crossentropy"
    start = ConstrainedStart(1.0, 0.5, rms, deviation, held_loss)
    return record(
        loss=np.asarray(loss, float),
        objective=ObjectiveInfo(name, one_of_several=several),
        objective_start=ObjectiveStart(constrained=start, values=values),
        initial_weights=(weight("hidden_1", change), weight("hidden_2", change)),
    )


def constrained() -> Iterator[Case]:
    case = partial(Case, "constrained_weights")
    well, a_little = np.linspace(2.5, 0.1, 41), np.linspace(2.5, 1.5, 41)
    rested = np.concatenate([np.linspace(2.5, 1.5, 11), np.full(30, 1.5)])
    both = ("hidden_1", "hidden_2")
    yield case("healthy", "no_constraint", record, "skipped")
    yield case("healthy", "a_bound_that_nothing_meets", lambda: net(0.5, change=0.0))
    yield case("healthy", "half", lambda: net(0.25, 0.5))
    yield case("healthy", "learned", lambda: net(1e-6, 1e-6, loss=well))
    yield case("healthy", "a_critic", lambda: net(1e-6, 1e-6, several=True), "skipped")
    yield case("healthy", "constant_answers", zeroed)
    yield case("healthy", "noise_is_left", lambda: net(5e-3, 1e-2, loss=rested))
    mean = LossValues(-5e-3, -64.0, -5e4)  # of the answers, each with its sign: it has no floor
    yield case("healthy", "a_critic_alone", lambda: net(1e-6, 1e-6, values=mean), "skipped")
    yield case("sick", "nothing_left", lambda: net(5e-7, 1e-6), "error", (0, 40), both, 1e6)
    yield case("sick", "exactly_nothing", lambda: net(0.0, 0.0), "error", (0, 40), both, math.inf)
    yield case("sick", "all_the_same", lambda: net(0.5, 30.0), "error", (0, 40), both, 30.0)
    yield case("sick", "grown", lambda: net(50.0, 100.0), "error", (0, 40), both, 100.0)
    yield case("sick", "learns_little", lambda: net(5e-3, 1e-2, loss=a_little), "warning")
    # The factor is 10: a little less is not enough, neither down nor up.
    yield case("borderline", "nearly_a_tenth", lambda: net(0.05 * OUTSIDE, 0.1))
    yield case("borderline", "below_a_tenth", lambda: net(0.05 * INSIDE, 0.1), "error")
    yield case("borderline", "nearly_tenfold", lambda: net(5.0 * INSIDE, 10.0))
    yield case("borderline", "above_tenfold", lambda: net(5.0 * OUTSIDE, 10.0), "error")
    # Answers that grew are worse where their loss is twice the constant's and the first.
    start = LossValues(2.5, 0.0, 2.3)
    grown = partial(net, 50.0, 100.0, values=start)
    yield case("borderline", "grown_to_their_size", lambda: grown(held_loss=4.9))
    yield case("borderline", "grown_too_large", lambda: grown(held_loss=5.1), "error")
    yield case("borderline", "grown_to_infinity", lambda: grown(held_loss=math.nan), "error")
    yield case("borderline", "grown_and_learns", lambda: net(50.0, 100.0, loss=a_little))
    yield case("borderline", "entries_pass", lambda: net(1e-6, change=0.01))
    yield case("borderline", "entries_change", lambda: net(1e-6, change=0.011), "error")
    yield from first_steps()


def zeroed() -> RunRecord:
    start = ObjectiveStart(constrained=ConstrainedStart(0.0, 0.0, 0.0, 0.0))
    return record(objective_start=start, initial_weights=(weight("hidden_1"),))


def first_steps() -> Iterator[Case]:
    """The first update of a layer under a constraint is mostly the constraint's."""
    case, update = partial(Case, "unstable_updates"), np.full((41, 6), 1e-3)
    update[1, 0] = 7.8
    made = partial(record, update=update)
    held = (weight("hidden_1"),)
    yield case("borderline", "step_1_of_a_constraint", lambda: made(initial_weights=held))
    yield case("borderline", "step_1_of_no_constraint", made, "warning", (1, 1), ("hidden_1",))
    later = np.roll(update, 1, axis=0)
    yield case(
        "borderline",
        "step_2_under_a_constraint",
        lambda: record(update=later, initial_weights=held),
        "warning",
        (2, 2),
        ("hidden_1",),
    )
