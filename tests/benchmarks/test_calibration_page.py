"""The page about error rates says what the kept results say."""

from __future__ import annotations

import json

from benchmarks.detectors.corpus import CASES
from benchmarks.detectors.wide.declared import wide_cases
from scripts.make_calibration_page import PAGE, RESULTS, UNSEEN, WIDE_RESULTS, page


def test_the_page_is_current() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(), "run python -m scripts.make_calibration_page"


def test_the_results_are_those_of_the_declared_cases() -> None:
    kept = json.loads(RESULTS.read_text(encoding="utf-8"))["cases"]
    declared = [(c.name, c.part, c.label, list(c.codes), c.settled_seed()) for c in CASES]
    assert declared == [
        (r["name"], r["part"], r["label"], r["may_lead"], r["seed"]) for r in kept
    ], "run python -m benchmarks.detectors"


def test_the_results_of_the_wide_corpus_are_those_of_declared_cases() -> None:
    kept = json.loads(WIDE_RESULTS.read_text(encoding="utf-8"))["cases"]
    declared = [(c.name, c.part, c.label, list(c.codes), c.settled_seed()) for c in wide_cases()]
    rows = [(r["name"], r["part"], r["label"], r["may_lead"], r["seed"]) for r in kept]
    assert [row for row in rows if row not in declared] == []
    assert len({name for name, *_ in rows}) == len(rows)


def test_every_case_of_the_first_judging_is_still_declared() -> None:
    first = json.loads(UNSEEN.read_text(encoding="utf-8"))["third"]["cases"]
    assert {row["name"] for row in first} <= {case.name for case in wide_cases()}
