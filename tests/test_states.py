"""The code that a command ends with in each state of the network."""

from __future__ import annotations

import numpy as np
import pytest

from gradscope import api
from gradscope.record import RunRecord
from tests.analyzer.synthetic import over_time, record

ROWS = 61
LEARNING = np.geomspace(2.5, 0.5, ROWS)


def learning(**facts: object) -> RunRecord:
    return record(steps=ROWS - 1, loss=LEARNING, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("made", "state", "code"),
    [
        (learning(), "healthy", 0),
        (learning(dead=over_time(ROWS, (0, [0.05] * 5), (9, [0.98] * 5))), "warning", 0),
        (learning(update=1.5), "unhealthy", 1),
        (record(steps=5), "inconclusive", 4),
    ],
    ids=["healthy", "warning", "unhealthy", "inconclusive"],
)
def test_the_exit_code_of_a_state(made: RunRecord, state: str, code: int) -> None:
    report = api.analyze(made, gate=True)
    assert report.diagnosis.verdict == state
    assert report.exit_code == code
    assert api.analyze(made).exit_code == 0, "an experiment that was measured is no failure"
