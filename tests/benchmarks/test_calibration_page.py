"""The page about error rates says what the kept results say."""

from __future__ import annotations

import json

from benchmarks.detectors.corpus import CASES
from scripts.make_calibration_page import PAGE, RESULTS, page


def test_the_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run python -m scripts.make_calibration_page"


def test_the_results_are_those_of_the_declared_cases() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["cases"]
    declared = [(c.name, c.part, c.label, list(c.codes), c.settled_seed()) for c in CASES]
    assert declared == [
        (r["name"], r["part"], r["label"], r["may_lead"], r["seed"]) for r in kept
    ], "run python -m benchmarks.detectors"
