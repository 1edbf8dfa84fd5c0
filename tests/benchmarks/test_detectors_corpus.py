"""The corpus of the detectors: what it declares, how it is split, how it is judged."""

from __future__ import annotations

import hashlib
import inspect
from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

from benchmarks.detectors import data, figures, judging, labels, rules
from benchmarks.detectors.case import EXTRA, HEALTHY, LATER, REPORT, SECOND, SEEN, SICK
from benchmarks.detectors.corpus import CASES
from gradscope import api
from gradscope.analyzer.detectors import DETECTORS
from gradscope.errors import ConfigError
from tests.each_case import each_case

NAMED = {case.name: case for case in CASES}
BUILT_IN = [case for case in CASES if not case.own]


def test_there_are_enough_cases_and_half_of_them_are_healthy() -> None:
    assert len(NAMED) == len(CASES) >= 120
    assert 2 * sum(case.label == HEALTHY for case in CASES) >= len(CASES)


def test_no_family_lies_on_both_sides() -> None:
    sides = Counter(family for family, _ in {(case.family, case.part) for case in CASES})
    assert set(sides.values()) == {1}


def test_the_hash_of_the_family_decides_what_was_not_looked_at() -> None:
    for case in CASES:
        if case.family.startswith(LATER):
            assert case.part == SECOND
        elif case.family not in SEEN and not case.family.startswith(EXTRA):
            odd = hashlib.sha256(case.family.encode()).digest()[0] % 2
            assert (case.part == REPORT) == bool(odd)


def test_the_detectors_that_may_lead_exist() -> None:
    for case in CASES:
        assert set(case.codes) <= set(DETECTORS), case.name
        assert bool(case.codes) == (case.label == SICK), case.name


def test_its_sections_are_configs() -> None:
    refused = []
    for case in BUILT_IN:
        section = {"name": "blobs"} if "made" in case.data else dict(case.data)
        sections = {"model": dict(case.model), "data": section, "training": dict(case.training)}
        try:
            api.load_config({"name": "x", **sections})
        except ConfigError as error:
            refused.append(f"{case.name}: {error}")
    assert BUILT_IN
    assert refused == []


def test_its_data_can_be_made_with_these_arguments() -> None:
    for case in CASES:
        if "made" in case.data:
            function = data.MADE[case.data["made"]]
            inspect.signature(function).bind(**case.data.get("arguments", {}))


@pytest.mark.parametrize(
    ("label", "skill", "compared", "expected"),
    [
        (HEALTHY, 0.6, 1.0, "agrees"),
        (HEALTHY, 0.59, 1.0, "undecided"),
        (HEALTHY, 0.49, 1.0, "contradicts"),
        (SICK, 0.49, 1.0, "agrees"),
        (SICK, 0.5, 1.0, "undecided"),
        (SICK, 0.6, 1.0, "contradicts"),
        (SICK, 0.0, 0.2, "undecided"),
    ],
)
def test_what_bears_a_label_out(label: str, skill: float, compared: float, expected: str) -> None:
    assert labels.answer(label, skill, compared) == expected


@cache
def healthy() -> dict[str, Any]:
    """A look at a healthy network of two ReLU layers and a softmax."""
    rng = np.random.default_rng(0)
    drawn = [rng.normal(0.0, 0.01, (20, 20)) for _ in range(3)]
    weights = [rng.normal(0.0, 0.3, (20, 20)) for _ in range(3)]
    z = rng.normal(size=(32, 20))
    hidden = figures.of_activation("relu", z, np.maximum(z, 0.0)) | {"role": "hidden"}
    answer = np.full((32, 4), 0.25)
    output = figures.of_activation("softmax", z, answer) | {"role": "output"}
    return {
        "loss": 1.0,
        "accuracy": 0.9,
        "kernels": [True] * 3,
        "gradients": [figures.of_gradient(g) for g in drawn],
        "weights": [figures.of_weight(w) for w in weights],
        "updates": [figures.update(w, w - 0.1 * g) for w, g in zip(weights, drawn, strict=True)],
        "activations": [hidden, hidden, output],
        "output": figures.share(answer, np.arange(32) % 4),
        "unchanged": [False] * 3,
        "rate": 0.1,
        "step": 10,
    }


def course(**changes: Any) -> list[dict[str, Any]]:
    """Twenty looks at a training that goes well, but for what changes."""
    looks = []
    for at in range(20):
        weights = [w | {"mean": w["mean"] + 1e-4 * at} for w in healthy()["weights"]]
        own = {"loss": 2.0 * 0.8**at, "step": 10 * at, "accuracy": min(0.9, 0.3 + 0.1 * at)}
        looks.append(healthy() | {"weights": weights} | own | changes)
    return looks


@pytest.mark.parametrize("tool", rules.TOOLS)
def test_the_other_tools_rules_are_silent_where_all_is_well(tool: str) -> None:
    fired = [rule for rule, found in rules.TOOLS[tool](course()).items() if found]
    assert not fired


def activations(**facts: Any) -> list[dict[str, Any]]:
    return [figure | facts for figure in healthy()["activations"]]


def gradients(**facts: Any) -> list[dict[str, Any]]:
    return [figure | facts for figure in healthy()["gradients"]]


SAGEMAKER, AUTO, DIAGNOSIS, CHECKER = rules.TOOLS


@each_case(
    ("tool", "rule", "changes"),
    [
        (
            "SageMaker Debugger",
            "VanishingGradient",
            {"gradients": gradients(mean_abs=9e-8)},
        ),
        (SAGEMAKER, "ExplodingTensor", {"gradients": gradients(lost=1)}),
        (
            "SageMaker Debugger",
            "DeadRelu",
            {"activations": activations(inactive_units=0.51)},
        ),
        (
            "SageMaker Debugger",
            "WeightUpdateRatio",
            {"updates": [{"mean_abs": 1e-9, "before": 0.3}]},
        ),
        (SAGEMAKER, "UnchangedTensor", {"unchanged": [True]}),
        (SAGEMAKER, "LossNotDecreasing", {"loss": 1.0}),
        (AUTO, "slow", {"accuracy": 0.4}),
        (AUTO, "data", {"activations": activations(mean_abs=10.0)}),
        (DIAGNOSIS, "dead", {"activations": activations(not_positive=0.7)}),
        (DIAGNOSIS, "vanish", {"gradients": gradients(mean_abs=9e-8)}),
        (DIAGNOSIS, "unchanged", {"weights": healthy()["weights"]}),
        (DIAGNOSIS, "learning rate", {"rate": 10.0}),
        (CHECKER, "activation std", {"activations": activations(std=0.3)}),
        (CHECKER, "vanish", {"gradients": gradients(mean_abs=9e-7)}),
        (CHECKER, "unstable", {"updates": [{"mean_abs": 1e-5, "before": 0.3}] * 3}),
        (CHECKER, "weights", {"weights": [w | {"negative": 0.96} for w in healthy()["weights"]]}),
    ],
)
def test_a_rule_of_another_tool_fires_on_its_fault(
    tool: str, rule: str, changes: dict[str, Any]
) -> None:
    assert rules.TOOLS[tool](course(**changes))[rule]


def test_autotrainer_gates_the_gradient_on_the_accuracy() -> None:
    faint = [g | {"l2": 1e-9} for g in healthy()["gradients"][:1]] + healthy()["gradients"][1:]
    assert not rules.autotrainer(course(gradients=faint))["vanish"]
    assert rules.autotrainer(course(gradients=faint, accuracy=0.4))["vanish"]


def test_saturation_is_the_weighted_distance_from_the_middle() -> None:
    ends = np.where(np.arange(40) % 2, 0.999, 0.001)[:, None]
    middle = np.full((40, 1), 0.5)
    found = figures.of_activation("sigmoid", None, np.concatenate([ends, middle], axis=1))
    assert found["saturated_units_rho"] == 0.5


def row(label: str, errors: list[str], may_lead: tuple[str, ...] = ()) -> judging.Row:
    return {
        "name": "n",
        "family": "f",
        "part": "tune",
        "label": label,
        "may_lead": list(may_lead),
        "errors": [{"detector": name} for name in errors],
        "leads": errors[0] if errors else None,
        "criterion": {"answer": "agrees"},
        "tools": None,
    }


def test_rates_count_alarms_detections_and_leads() -> None:
    rows = [
        row(HEALTHY, []),
        row(HEALTHY, ["dead_units"]),
        row(SICK, ["dead_units"], ("dead_units",)),
        row(SICK, ["underflow", "dead_units"], ("dead_units",)),
        row(SICK, [], ("dead_units",)),
        row(SICK, ["dead_units"], ("dead_units", "underflow")),
    ]
    found = judging.rates(rows)["tune"]["gradscope"]
    assert [found[key]["hits"] for key in ("false alarms", "detected", "right code leading")] == [
        1, 3, 2,
    ]  # fmt: skip
    # Clopper and Pearson's interval for 3 of 4, from their table.
    assert found["detected"]["interval"] == pytest.approx([0.1941, 0.9937], abs=1e-4)
