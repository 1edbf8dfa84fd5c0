"""Records of losses whose sign is wrong, and of some that only look so."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from gradscope.record import LossValues, ObjectiveStart, RunRecord, TargetDependence
from tests.analyzer.detectors.case import INSIDE, OUTSIDE, Case
from tests.analyzer.synthetic import record


def inverted() -> Iterator[Case]:
    """A loss that is larger for right answers than for others."""
    case = partial(Case, "not_learning")

    def net(
        right: float | None,
        *,
        used: float = 1.0,
        neutral: float | None = -0.7,
        constant: float = -1e5,
        exchanged: float | None = None,
        **more: Any,
    ) -> RunRecord:
        start = ObjectiveStart(
            TargetDependence(1.0, used, 1.0, (32, 10), (32, 10)),
            LossValues(-0.8, right, constant, neutral=neutral, exchanged=exchanged),
        )
        falls = -np.geomspace(0.8, 1e3, 101)
        return record(**{"loss": falls, "steps": 100, "objective_start": start, **more})

    yield case("sick", "wrong_sign", lambda: net(-0.3), "error", (0, 100), ())
    yield case("borderline", "exchanged_below", lambda: net(-0.3, exchanged=-0.3), "error")
    yield case("borderline", "exchanged_above", lambda: net(-0.3, exchanged=-0.29))
    yield case("sick", "five_steps", lambda: net(-0.3, loss=-1.0, steps=5), "error")
    yield case("healthy", "right_sign", lambda: net(-2.0))
    yield case("healthy", "targets_not_used", lambda: net(-0.3, used=0.0))
    yield case("healthy", "above_what_training_gives", lambda: net(-0.3, loss=2.0))
    yield case("borderline", "one_percent", lambda: net(-0.692 * INSIDE, neutral=-0.7), "error")
    yield case("borderline", "less_than_one_percent", lambda: net(-0.6921, neutral=-0.7))
    deep = partial(net, None, constant=-1e8)
    yield case("sick", "no_lower_bound", deep, "error", (0, 100), ())
    start = ObjectiveStart(TargetDependence(1.0, 1.0, 1.0, (32, 1), (32, 5)))
    for name, constant, severity in (
        ("deep", 0.8e6 * OUTSIDE, "error"),
        ("shallow", 0.8e6 * INSIDE, ""),
    ):
        facts = replace(start, values=LossValues(-0.8, None, -constant))
        yield case("borderline", name, partial(net, None, objective_start=facts), severity)
    yield case("borderline", "no_neutral", lambda: net(-0.79 * INSIDE, neutral=None), "error")
