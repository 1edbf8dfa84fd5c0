"""Losses of the user's own that clip answers to probabilities, of an output without activation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gradscope.record import FlatAnswers, LossValues, ObjectiveInfo, ObjectiveStart, RunRecord
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.detectors.cases_of_objectives import started
from tests.analyzer.synthetic import DATA, USERS

TWO_CLASSES = replace(DATA, classes=2)


def net(
    lost: float, right: float = 0.0, ends: float = 0.7, name: str = "", start: float = 2.0
) -> RunRecord:
    """Of the first loss, above that of right answers, answers without a slope make `lost`."""
    flat = FlatAnswers(0.5, start, start - lost * (start - right), right)
    facts = ObjectiveStart(flat=flat, values=LossValues(start, right, 0.69))
    loss = np.linspace(start, ends, 41)
    objective = ObjectiveInfo(name)
    more = {"loss": loss, "objective": objective, "config": USERS, "data": TWO_CLASSES}
    right_share = 0.5 if ends > 0.5 else 0.95
    return started(facts, activation="linear", units=1, accuracy=right_share, **more)


def flat() -> Iterator[Case]:
    case = partial(Case, "output_mismatch")
    yield case("healthy", "flat_where_right", lambda: net(0.0))
    yield case("healthy", "no_answer_costs_anything", lambda: net(1.0, start=0.0))
    yield case("sick", "clipped", lambda: net(0.875), "error", (0, 40), ("output",), 0.875)
    yield case("sick", "clipped_and_learns", lambda: net(0.875, ends=0.1), "warning")
    yield case("borderline", "flat_loss_inside", lambda: net(0.5 * INSIDE))
    yield case("borderline", "flat_loss_outside", lambda: net(0.5 * OUTSIDE), "error")
    # Where 0 and 1 are not right, the loss takes something else.
    yield case("borderline", "right_outside", lambda: net(0.875, right=0.02 * OUTSIDE))
    yield case("borderline", "right_inside", lambda: net(0.875, right=0.02 * INSIDE), "error")
