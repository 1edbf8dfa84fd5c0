"""Inputs that are the same for all samples, and an average that takes the steps back."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gradscope.record import InputVariety, ObjectiveInfo, ObjectiveStart, RunRecord
from tests.analyzer.detectors.case import Case
from tests.analyzer.synthetic import record


def lost() -> Iterator[Case]:
    """Every case of this file."""
    yield from constant()
    yield from averaged()


def constant() -> Iterator[Case]:
    case = partial(Case, "constant_inputs")

    def net(samples: int, *, differ: bool = False, token: int | None = None) -> RunRecord:
        inputs = InputVariety(samples, differ=differ, token=token)
        return record(objective_start=ObjectiveStart(inputs=inputs))

    learned = np.linspace(2.5, 0.1, 41)
    yield case("healthy", "two_differ", lambda: net(32, differ=True))
    yield case("healthy", "an_earlier_version", record, "skipped")
    yield case("borderline", "seven_samples", lambda: net(7), "skipped")
    yield case("borderline", "eight_samples", lambda: net(8), "error", (0, 40), (), 8.0)
    yield case("borderline", "eight_of_which_two_differ", lambda: net(8, differ=True))
    yield case("sick", "the_same", lambda: net(3200), "error", (0, 40), (), 3200.0)
    yield case("sick", "every_word_unknown", lambda: net(3200, token=1), "error")
    inputs = ObjectiveStart(inputs=InputVariety(3200, differ=False))
    yield case("healthy", "learned", lambda: record(loss=learned, objective_start=inputs))


def averaged() -> Iterator[Case]:
    case = partial(Case, "averaged_weights")

    def net(momentum: float | None, every: int | None, loss: object = 2.5) -> RunRecord:
        loss_name = "sparse_categorical_crossentropy"
        optimizer = ObjectiveInfo(loss_name, ema_momentum=momentum, ema_overwrite_frequency=every)
        return record(loss=np.asarray(loss, float), objective=optimizer)

    yield case("healthy", "no_average", lambda: net(None, None))
    yield case("healthy", "an_earlier_version", record, "skipped")
    yield case("sick", "every_step", lambda: net(0.99, 1), "error", (0, 40), (), 0.01)
    # Of one step 1 - m is left: a tenth is enough, a little less is not.
    yield case("borderline", "a_tenth", lambda: net(0.875, 1))
    yield case("borderline", "a_sixteenth", lambda: net(0.9375, 1), "error", (0, 40), (), 0.0625)
    yield case("healthy", "every_hundred_steps", lambda: net(0.99, 100))
    yield case("healthy", "learned", lambda: net(0.99, 1, np.linspace(2.5, 0.1, 41)))
