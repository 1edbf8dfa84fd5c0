"""Networks that learn targets far away: still on their way, or at their end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradscope.record import AnswerScale, LossValues, ObjectiveStart, RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
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
    # A fall of 0.03 a quarter is within three errors of its noise, one of 0.4 is not.
    slow, fast = (np.linspace(6.5, 6.5 - 4 * per_quarter, STEPS + 1) for per_quarter in (0.03, 0.4))
    yield case("borderline", "falls_in_the_noise", lambda: net(slow + noise))
    yield case("borderline", "falls_beyond_the_noise", lambda: net(fast + noise), "warning")
