"""Answers to sequences that depend on one of their positions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from gradscope.record import ObjectiveInfo, ObjectiveStart, PositionUse, RunRecord
from tests.analyzer.detectors.case import Case
from tests.analyzer.synthetic import record


def read() -> Iterator[Case]:
    case = partial(Case, "unread_positions")
    loss = "sparse_categorical_crossentropy"

    def net(first: int, end: int, *, joined: bool = True, ends: float = 2.5) -> RunRecord:
        use = PositionUse(12, first, end, ("hidden_2",) if joined else ())
        return record(
            loss=np.linspace(2.5, ends, 41),
            objective=ObjectiveInfo(loss),
            objective_start=ObjectiveStart(positions=use),
        )

    one = ("hidden_2",)
    yield case("healthy", "no_sequences", record, "skipped")
    yield case("healthy", "all", lambda: net(0, 12))
    yield case("healthy", "the_last_value", lambda: net(11, 12, joined=False))
    yield case("sick", "the_first", lambda: net(0, 1), "error", (0, 40), one, 1.0)
    yield case("sick", "the_last", lambda: net(11, 12), "error", (0, 40), one, 1.0)
    yield case("sick", "none_that_differs", lambda: net(0, 0), "error", (0, 40), one, 0.0)
    yield case("sick", "one_is_enough", lambda: net(0, 1, ends=0.1), "warning")
    yield case("borderline", "two", lambda: net(0, 2))
    yield case("borderline", "one_inside", lambda: net(5, 6), "error")
    # Half of the way to right answers, of the 2.30 of ten classes in even shares.
    yield case("borderline", "not_half_way", lambda: net(0, 1, ends=1.2), "error")
