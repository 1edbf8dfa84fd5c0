"""The page about the detectors says what the detectors say."""

from __future__ import annotations

from gradscope.analyzer.detectors import DETECTORS
from scripts.make_detectors_page import FAMILIES, PAGE, page


def test_the_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run scripts/make_detectors_page.py"


def test_every_detector_is_on_it() -> None:
    lines = page().splitlines()
    for detector in DETECTORS.values():
        assert f"### {detector.code} {detector.name}" in lines
    assert sum(line.startswith("## ") for line in lines) == len(FAMILIES)
