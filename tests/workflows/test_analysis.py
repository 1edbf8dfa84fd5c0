"""The exit code of a report, and which of several seeds are diagnosed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.record import Outcome, RunRecord
from gradscope.workflows.analysis import analyze, analyze_seeds
from tests.analyzer.synthetic import record

SICK = record(12, delta=[10.0**-k for k in range(12, 0, -1)])


def without_steps(made: RunRecord) -> RunRecord:
    """The record of a run of which nothing but its beginning is known."""
    return replace(
        made,
        steps=made.steps[:0],
        series={name: values[:0] for name, values in made.series.items()},
        scalars={name: values[:0] for name, values in made.scalars.items()},
    )


@pytest.mark.parametrize(
    ("made", "gate", "code"),
    [
        (SICK, False, 0),
        (SICK, True, 1),
        (replace(SICK, outcome=Outcome("partial", "stopped", 40, 40)), False, 4),
        (replace(SICK, outcome=Outcome("partial", "stopped", 40, 40)), True, 4),
        (without_steps(SICK), False, 4),
        (without_steps(SICK), True, 4),
    ],
)
def test_the_exit_code(made: RunRecord, gate: bool, code: int) -> None:
    assert analyze(made, gate=gate).exit_code == code


@pytest.mark.parametrize(("trained", "diagnosed"), [(0, 1), (1, 1), (2, 2), (3, 3)])
def test_trained_seeds_are_diagnosed(trained: int, diagnosed: int) -> None:
    """Where none is trained, the first one at initialisation."""
    statistics, report = analyze_seeds([SICK, SICK, SICK], trained)
    [error] = [verdict for verdict in statistics.verdicts if verdict.code == "GS101"]
    assert error.seeds == diagnosed
    assert len(statistics.seeds) == 3
    assert report.record is SICK
