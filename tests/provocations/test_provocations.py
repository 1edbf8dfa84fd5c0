"""Every fault of the table is provoked, and nothing of the user is harmed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.provocations.provocation import Provocation, missing, provoke
from tests.provocations.table import PROVOCATIONS

pytestmark = pytest.mark.tensorflow


def test_no_fault_has_two_rows() -> None:
    faults = [row.fault for row in PROVOCATIONS]
    assert len(set(faults)) == len(faults)


@pytest.mark.parametrize("row", PROVOCATIONS, ids=[row.fault for row in PROVOCATIONS])
def test_provocation(row: Provocation, tmp_path: Path) -> None:
    reason = missing(row)
    if reason:
        pytest.skip(reason)
    provoke(row, tmp_path)
