"""Every fault of the table is provoked, and nothing of the user is harmed."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.provocations import outcomes
from tests.provocations.codes import CODES
from tests.provocations.provocation import Provocation, missing, provoke
from tests.provocations.table import PROVOCATIONS

pytestmark = pytest.mark.tensorflow


def test_no_fault_has_two_rows() -> None:
    faults = [row.fault for row in PROVOCATIONS]
    assert len(set(faults)) == len(faults)


LONG = (
    "TensorFlow, real pictures and a disk of 200 kB",
    "a factory asks for more memory than there is",
    "a factory switches eager execution off",
)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            row,
            id=row.fault,
            marks=[pytest.mark.long("7 to 11 s each")] * (row.fault in LONG),
        )
        for row in PROVOCATIONS
    ],
)
def test_provocation(row: Provocation, tmp_path: Path) -> None:
    reason = missing(row)
    if reason:
        outcomes.note(row.fault, 0, untried=reason)
        pytest.skip(reason)
    try:
        provoke(row, tmp_path)
    except (AssertionError, subprocess.TimeoutExpired):
        outcomes.note(row.fault, 1, wrong=1)
        raise
    outcomes.note(row.fault, 1)


def test_every_number_has_a_row() -> None:
    numbers = {number for line in CODES.values() for number in line.split()}
    assert len(numbers) == 65
    assert {number for row in PROVOCATIONS for number in row.codes.split()} == numbers
