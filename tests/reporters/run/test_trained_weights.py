"""Every report says how many weights were trained."""

from __future__ import annotations

from dataclasses import replace

from gradscope.record import ObjectiveStart, WeightCounts
from gradscope.reporters.run import summary
from tests.analyzer.synthetic import record


def test_the_conditions_say_how_many_weights_train() -> None:
    counts = WeightCounts(8, 6, 900, 800, ("backbone",))
    made = replace(record(3), objective_start=ObjectiveStart(weights=counts))
    assert "seed 7, 6 of 8 weights trained, CPU" in summary.evidence(made)
    assert "trained" not in summary.evidence(record(3))
