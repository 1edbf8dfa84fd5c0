"""docs/reliability.md has a row for every provoked fault, and none went wrong."""

from __future__ import annotations

from scripts.make_reliability_page import PAGE
from tests.provocations.table import PROVOCATIONS


def test_the_page_has_every_fault_and_none_went_wrong() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for row in PROVOCATIONS:
        assert f"| {row.fault} | {row.code} | as it should be |" in text, row.fault
    assert "wrong" not in text
