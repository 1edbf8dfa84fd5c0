"""`explain` shows what a fault looks like, in the words of its detector, within 80 columns."""

from __future__ import annotations

import pytest

from gradscope import api
from gradscope.analyzer.detectors import DETECTORS
from scripts.make_finding_examples import FILE, rendered


def test_the_examples_are_what_the_detectors_say() -> None:
    assert FILE.read_text(encoding="utf-8") == rendered(), (
        "run python -m scripts.make_finding_examples"
    )


@pytest.mark.parametrize("name", sorted(DETECTORS))
def test_every_detector_says_what_its_fault_looks_like_and_what_to_do(name: str) -> None:
    lines = api.explain(name).splitlines()
    assert "What it looks like:" in lines
    assert lines.index("What it looks like:") < lines.index("What to do:")
    assert max(map(len, lines)) <= 80


@pytest.mark.parametrize("term", ["relu", "he_normal", "gain", "delta", "momentum", "delta_rms"])
def test_every_entry_fits_eighty_columns(term: str) -> None:
    assert max(map(len, api.explain(term).splitlines())) <= 80


def test_a_word_that_is_only_begun_names_what_has_it() -> None:
    assert "vanishing_gradient" in api.explain("vanish")
