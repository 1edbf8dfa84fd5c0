"""The fourth part of the corpus: what it declares, before anything is trained."""

from __future__ import annotations

from collections import Counter

import pytest

from benchmarks.detectors.case import FOURTH, HEALTHY, SICK
from gradscope.analyzer.detectors import DETECTORS

pytestmark = pytest.mark.tensorflow


def test_the_fourth_part_has_enough_cases_of_both_labels() -> None:
    from benchmarks.detectors.fourth.declared import KINDS, cases

    declared = cases()
    labels = Counter(case.label for case in declared)
    twins = {case.proof["twin"] for case in declared if case.label == SICK}
    assert len({case.name for case in declared}) == len(declared)
    assert {case.part for case in declared} == {FOURTH}
    assert labels[SICK] >= 60
    assert labels[HEALTHY] - len(twins) >= 40
    assert len(KINDS) >= 20


def test_a_fault_of_the_fourth_part_stands_on_a_healthy_twin_with_its_seed() -> None:
    from benchmarks.detectors.fourth.declared import cases, options

    named = {case.name: case for case in cases()}
    for case in named.values():
        if case.label == SICK:
            twin = named[case.proof["twin"]]
            assert twin.label == HEALTHY
            assert twin.settled_seed() == case.settled_seed()
            assert options(twin) != options(case), f"{case.name} is its own twin"
            assert case.codes and set(case.codes) <= set(DETECTORS), case.name


def test_ranks_score_the_order_of_answers_alone() -> None:
    from benchmarks.detectors.fourth.trial import ranks

    assert ranks([0.1, 0.2, 5.0, 9.0], [0, 0, 1, 1]) == 1.0
    assert ranks([1.0, 1.0, 1.0, 1.0], [0, 0, 1, 1]) == 0.0
    assert ranks([0.0, 2.0, 1.0, 3.0], [0, 0, 1, 1]) == pytest.approx(0.5)
    assert ranks([0.0, float("nan"), 1.0, 3.0], [0, 0, 1, 1]) == 0.0
