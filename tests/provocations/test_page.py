"""docs/reliability.md has a row for every provoked fault, and none went wrong."""

from __future__ import annotations

from scripts.make_reliability_page import NOT_TRIED, PAGE
from tests.provocations.table import PROVOCATIONS


def test_the_page_has_every_fault_and_none_went_wrong() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for row in PROVOCATIONS:
        start = f"| {row.fault} | {row.code} | "
        needs_tensorflow = row.stand_in is None
        untried = needs_tensorflow and f"{start}{NOT_TRIED} |" in text
        assert untried or f"{start}as it should be |" in text, row.fault
    assert "wrong" not in text
