"""docs/reliability.md is made of what the tests found, and nothing went wrong."""

from __future__ import annotations

from scripts.make_reliability_page import PAGE, names, page
from tests.provocations import outcomes


def test_the_page_is_made_of_the_outcomes() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(outcomes.kept()), (
        "python -m scripts.make_reliability_page"
    )


def test_every_fault_was_provoked_and_none_went_wrong() -> None:
    known = outcomes.kept()
    assert known.keys() == names()
    assert not [fault for fault, outcome in known.items() if outcome.wrong or not outcome.tries]
