"""Networks that learn targets far away: still on their way, or at their end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradscope.record import AnswerScale, LossValues, ObjectiveStart, RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.detectors.cases_of_constraints import weight
from tests.analyzer.detectors.cases_of_objectives import REAL, started

STEPS = 200
CONSTANT = 9.0


def net(loss: object, change: float = 0.03, distance: float = 300.0) -> RunRecord:
    """Targets 300 from the answers; 200 steps of which the first moves the answers by `change`."""
    scale = AnswerScale(0.06, distance, distance, change)
    facts = ObjectiveStart(scale=scale, values=LossValues(109.0, 0.0, CONSTANT))
    losses = np.broadcast_to(np.asarray(loss, float), (STEPS + 1,))
    made = started(facts, activation="linear", units=1, data=REAL, loss=losses, steps=STEPS)
    constant = np.full(STEPS + 1, CONSTANT)
    return replace(made, scalars=made.scalars | {"constant_loss": constant})


def kernel(rms: float) -> RunRecord:
    """The same with targets 1.5 from answers of 0.01, and an output kernel of this size."""
    made = net(np.linspace(10.0, 6.0, STEPS + 1), change=1e-4, distance=1.5)
    facts = made.objective_start
    assert facts is not None
    facts = replace(facts, scale=AnswerScale(0.01, 1.5, 1.5, 1e-4))
    made.series["weight_second_moment"][:, -1] = rms**2
    return replace(made, objective_start=facts)


def overwritten() -> RunRecord:
    """A first update of five times the output layer, and steps that are large enough."""
    made = net(np.full(STEPS + 1, CONSTANT), change=3.0)
    made.series["update_ratio"][1, -1] = 5.0
    return made


def on_their_way() -> Iterator[Case]:
    case = partial(Case, "unscaled_targets")
    falling = np.linspace(10.0, 6.0, STEPS + 1)
    noise = 0.3 * np.random.default_rng(1).normal(size=STEPS + 1)
    resting = np.concatenate([np.linspace(10.0, 6.0, 50), np.full(STEPS - 49, 6.0)]) + noise
    yield case("sick", "still_falls", lambda: net(falling), "warning", (0, STEPS), ("output",))
    not_yet = np.linspace(10.0, 8.7, STEPS + 1)
    yield case("sick", "falls_beside_a_constant", lambda: net(not_yet), "warning", (0, STEPS))
    yield case("healthy", "came_to_rest", lambda: net(resting))
    yield case("healthy", "half_way", lambda: net(np.linspace(10.0, 3.0, STEPS + 1)))
    yield case("healthy", "steps_reach_it", lambda: net(falling, change=1.0))
    yield case("healthy", "not_far", lambda: net(falling, distance=1.5))
    for name, change, severity in (
        ("inside", 0.75 * OUTSIDE, ""),
        ("outside", 0.75 * INSIDE, "warning"),
    ):
        yield case("borderline", f"cover_{name}", partial(net, falling, change), severity)
    # Targets of unit size, and answers that are small because the output kernel is: Glorot's has
    # an rms of sqrt(2 / 101).
    yield case("healthy", "a_small_kernel", lambda: kernel(1e-3))
    yield case("sick", "a_usual_kernel", lambda: kernel(0.14), "warning")
    # The first update of a layer under a constraint is mostly the constraint's.
    yield case("sick", "overwritten", overwritten, "error")
    held = (weight("output"),)
    yield case("healthy", "held", lambda: replace(overwritten(), initial_weights=held))
    # A fall of 0.03 a quarter is within three errors of its noise, one of 0.4 is not.
    slow, fast = (np.linspace(6.5, 6.5 - 4 * per_quarter, STEPS + 1) for per_quarter in (0.03, 0.4))
    yield case("borderline", "falls_in_the_noise", lambda: net(slow + noise))
    yield case("borderline", "falls_beyond_the_noise", lambda: net(fast + noise), "warning")
