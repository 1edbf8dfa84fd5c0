"""The words and the number of a finding: those of its own sentence, for every detector."""

from __future__ import annotations

import pytest

from gradscope.analyzer.detectors import DETECTORS
from gradscope.reporters.run.answer import headings
from gradscope.reporters.run.answer.headings import heading_of
from tests.analyzer.detectors.test_messages import numbers
from tests.analyzer.detectors.test_remedies import findings_with_records
from tests.reporters import fixtures

IN_WORDS = {
    "dead_units": "all of",
    "batch_norm_momentum": "never move",
    "cut_gradient": "No",
    "frozen_layers": "nothing",
}
"""How a message says 100 % or 0 without a digit."""


def test_every_heading_is_of_a_detector() -> None:
    assert set(headings._HEADINGS) <= set(DETECTORS)


def test_the_number_is_one_that_the_finding_says() -> None:
    seen = set()
    for name, _, finding in findings_with_records():
        _, text = heading_of(name, finding)
        if not text:
            continue
        seen.add(name)
        [(value, half)] = numbers(text.removeprefix("step "))
        said = numbers(f"{finding.message} {finding.details}")
        in_words = IN_WORDS.get(name, "no words") in finding.message
        # `62 to 98%`: the share of the sentence has its sign after the second number.
        close = [abs(x - value) <= max(half, h) or abs(x / 100 - value) <= half for x, h in said]
        assert any(close) or in_words, (name, text, finding.message)
    assert len(seen) > 15


@pytest.mark.parametrize(
    ("name", "words"), [("brand_new", "Brand new"), ("\x1b[31m_x", "\\x1b[31m x")]
)
def test_a_detector_without_an_entry_has_its_name(name: str, words: str) -> None:
    assert heading_of(name, fixtures.finding(("hidden_1",))) == (words, "")
