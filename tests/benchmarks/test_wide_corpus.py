"""The wide corpus: what it declares, how answers are scored, how remedies are applied."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import pytest

from benchmarks.detectors.__main__ import first_of_each
from benchmarks.detectors.case import HEALTHY, SICK, THIRD, WIDE, Case
from benchmarks.detectors.wide import judged, remedying, results, scoring, tasks
from benchmarks.detectors.wide.declared import merged, wide_cases
from benchmarks.detectors.wide.measuring import mixed
from gradscope.analyzer.detectors import DETECTORS
from gradscope.record import Action, Remedy
from gradscope.record.remedies import change_settings
from tests.each_case import each_case

CASES = wide_cases()
NAMED = {case.name: case for case in CASES}


def kind(case: Case) -> str:
    return case.family.split(":")[0]


def test_there_are_enough_cases_of_both_labels() -> None:
    labels = Counter(case.label for case in CASES)
    assert len(NAMED) == len(CASES) >= 700
    assert labels[HEALTHY] >= 200
    assert labels[SICK] >= 300


def test_no_kind_of_network_lies_on_both_sides() -> None:
    sides = {(kind(case), case.part) for case in CASES}
    assert {side for _, side in sides} == {WIDE, THIRD}
    assert len(sides) == len({kind(case) for case in CASES})


def test_a_sick_case_has_a_healthy_twin_with_the_same_seed() -> None:
    for case in CASES:
        if case.label == SICK:
            twin = NAMED[case.proof["twin"]]
            assert (twin.label, twin.settled_seed(), kind(twin)) == (
                HEALTHY, case.settled_seed(), kind(case),
            )  # fmt: skip
            changed = (twin.arguments, twin.training) != (case.arguments, case.training)
            assert changed, f"{case.name} is its own twin"


def test_the_detectors_that_may_lead_exist() -> None:
    for case in CASES:
        assert set(case.codes) <= set(DETECTORS), case.name
        assert bool(case.codes) == (case.label == SICK), case.name


def test_batches_and_budgets_are_as_different_as_they_should_be() -> None:
    batches = {case.training["batch_size"] for case in CASES}
    assert {1, 4, 32, 128, 512, 1024} <= batches
    assert min(case.training["steps"] for case in CASES) == 20


def test_every_declared_task_can_be_made() -> None:
    seen = set()
    for case in CASES:
        said = case.arguments
        shape = (said["task"]["name"], len(said.get("targets", {})))
        if shape not in seen:
            seen.add(shape)
            task = tasks.made(said["task"] | {"samples": 40}, {}, said.get("targets", {}))
            assert np.isfinite(task.x).all() and np.isfinite(task.y).all()
            assert task.score in scoring.SCORES
    assert {name for name, _ in seen} == set(tasks.TASKS)


def test_wrong_labels_are_wrong_in_training_only() -> None:
    plain = tasks.made({"name": "groups", "samples": 500}, {}, {})
    wrong = tasks.made({"name": "groups", "samples": 500}, {}, {"wrong": 1.0})
    assert np.array_equal(plain.x, wrong.x) and np.array_equal(plain.y_test, wrong.y_test)
    assert np.array_equal(np.sort(plain.y), np.sort(wrong.y))
    assert 0.5 < np.mean(plain.y != wrong.y) < 0.9  # chance is 3 in 4 of four classes


def test_standardized_inputs_have_mean_0_and_deviation_1() -> None:
    task = tasks.made({"name": "table", "raw": True}, {"times": 1e3, "standardize": True}, {})
    x = np.concatenate([task.x_test, task.x]).astype(np.float64)
    np.testing.assert_allclose(x.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(x.std(axis=0), 1.0, rtol=1e-5)


def test_the_scores_of_perfect_constant_and_lost_answers() -> None:
    y = np.arange(40) % 4
    assert scoring.skill(np.eye(4)[y], y, "classes") == 1.0
    assert scoring.skill(np.tile([1.0, 0, 0, 0], (40, 1)), y, "classes") == 0.0
    assert scoring.skill(np.full((40, 4), np.nan), y, "classes") == 0.0
    real = np.linspace(-1.0, 1.0, 40)[:, None]
    assert scoring.skill(real, real, "values") == 1.0
    assert scoring.skill(np.zeros((40, 1)), real, "values") == pytest.approx(0.0, abs=1e-12)
    bits = (real > 0.9).astype(float)
    assert scoring.skill(bits, bits, "bits") == 1.0
    assert scoring.skill(np.zeros((40, 1)), bits, "bits") == 0.0
    words = np.array([[1, 2, 3], [3, 1, 2]])
    frames = np.array([[1, 1, 0, 2, 3, 3], [3, 0, 0, 1, 1, 2]])
    assert scoring.skill(np.eye(4)[frames], words, "spoken") == 1.0
    assert scoring.skill(np.eye(4)[frames[:, ::-1]], words, "spoken") == 0.0
    two = np.concatenate([np.zeros((40, 2)), real, real - 1.0, np.zeros((40, 1))], axis=1)
    assert scoring.skill(two, real, "density") == 1.0


def test_changes_are_laid_over_a_kind() -> None:
    base = {"optimizer": {"name": "Adam", "learning_rate": 0.01}, "network": {"depth": 2}}
    assert merged(base, {"rate_times": 3})["rate_times"] == 3.0
    assert merged(merged(base, {"rate_times": 3}), {"rate_times": 2})["rate_times"] == 6.0
    sgd = merged(
        merged(base, {"rate_times": 3}), {"optimizer": {"name": "SGD", "learning_rate": 1}}
    )
    assert (sgd["optimizer"], sgd["rate_times"]) == ({"name": "SGD", "learning_rate": 1}, 1.0)
    assert merged(base, {"network": {"width": 9}})["network"] == {"depth": 2, "width": 9}


@each_case(
    ("case", "remedy", "where", "expected"),
    [
        (
            "wide, cnn/rate far too large, as it is",
            Remedy(Action.LOWER_LEARNING_RATE),
            lambda case: case.arguments["rate_times"],
            30.0,
        ),
        (
            "wide, cnn/rate far too large, as it is",
            Remedy(Action.LOWER_LEARNING_RATE, (("training.learning_rate", 0.001),)),
            lambda case: (
                case.arguments["optimizer"]["learning_rate"] * case.arguments["rate_times"]
            ),
            0.001,
        ),
        (
            "wide, cnn/zeros, as it is",
            change_settings(("model.initializer", "he_normal")),
            lambda case: case.arguments["network"]["initializer"],
            "he_normal",
        ),
        (
            "wide, cnn/zeros, as it is",
            change_settings(("model.initializer", {"name": "random_normal", "stddev": 0.1})),
            lambda case: case.arguments["network"]["initializer"],
            ["RandomNormal", {"stddev": 0.1}],
        ),
        (
            "wide, cnn/stop_gradient, as it is",
            Remedy(Action.RECONNECT_LAYERS),
            lambda case: case.arguments["network"]["between"],
            "",
        ),
        (
            "wide, regression/labels of others, as it is",
            Remedy(Action.CHECK_LABELS),
            lambda case: case.arguments["targets"]["wrong"],
            0.0,
        ),
    ],
)
def test_a_remedy_is_applied(case: str, remedy: Remedy, where: Any, expected: Any) -> None:
    changed = remedying.applied(NAMED[case], remedy)
    assert changed is not None
    if isinstance(expected, float):
        expected = pytest.approx(expected)
    assert where(changed) == expected
    assert changed.settled_seed() == NAMED[case].settled_seed()


def test_a_remedy_for_another_fault_changes_nothing() -> None:
    case = NAMED["wide, cnn/zeros, as it is"]
    assert remedying.applied(case, Remedy(Action.RECONNECT_LAYERS)) is None
    assert remedying.applied(case, Remedy(Action.TRY_LEARNING_RATES)) is None


def row(label: str, leads: str = "", remedy: dict[str, Any] | None = None) -> judged.Row:
    return {
        "name": "n",
        "family": "f",
        "part": WIDE,
        "label": label,
        "may_lead": ["dead_units"] if label == SICK else [],
        "verdict": "unhealthy" if leads else "healthy",
        "errors": [{"detector": leads}] if leads else [],
        "leads": leads or None,
        "criterion": {"answer": "agrees"},
        "remedy": remedy,
    }


def test_rates_by_detector_and_of_remedies() -> None:
    works = {"action": "a", "applied": True, "works": True}
    rows = [
        row(HEALTHY),
        row(HEALTHY, "dead_units"),
        row(SICK, "dead_units", works),
        row(SICK, "dead_units", works | {"works": False, "applied": False}),
        row(SICK, "underflow", {"action": "none", "works": False}),
        row(SICK),
    ]
    counted = judged.rates(rows)["gradscope"]
    assert [counted[key]["hits"] for key in ("false alarms", "detected", "right code leading")] == [
        1, 3, 2,
    ]  # fmt: skip
    dead = judged.by_detector(rows, ["dead_units"])["dead_units"]
    shares = ("fires on healthy", "leads rightly", "fires where it is the fault")
    assert [(dead[key]["hits"], dead[key]["count"]) for key in shares] == [(1, 2), (2, 2), (2, 4)]
    remedies = results.remedies(rows)
    assert (remedies["given"]["hits"], remedies["given"]["count"]) == (2, 3)
    assert (remedies["work"]["hits"], remedies["work"]["count"]) == (1, 2)
    assert remedies["nothing to apply"] == {"a": 1}


def test_the_first_verdict_on_a_case_is_kept() -> None:
    early, late = row(SICK), row(SICK, "dead_units")
    first = first_of_each({}, [early])
    both = first_of_each(first, [late, late | {"name": "m"}])
    assert [found["leads"] for found in both["cases"]] == [None, "dead_units"]
    assert both["rates"]["gradscope"]["detected"]["hits"] == 1


def test_the_order_of_training_is_a_fixed_mixture() -> None:
    order = mixed(CASES)
    assert order == mixed(CASES[::-1])
    early = Counter(case.label for case in order[:200])
    assert min(early.values()) > 70
