"""What every registered item owes: a new file that forgets it fails here."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from gradscope.analyzer import detectors
from gradscope.analyzer.detectors import DETECTORS, Detector
from gradscope.analyzer.explanation import SECTIONS, explanation_of
from gradscope.datasets import DATASETS
from gradscope.record import Severity
from gradscope.reporters.run import REPORTERS
from tests.analyzer.detectors.case import KINDS
from tests.analyzer.detectors.cases import CASES
from tests.each_case import each_case

NAME = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
FAMILIES = {
    1: "gradients",
    2: "activations",
    3: "normalization",
    4: "initialisation",
    5: "numerics",
    6: "learning",
    9: "gradscope itself",
}


WITHOUT = {
    "averaged_weights": ("Warning when",),
    "constant_inputs": ("Warning when",),
    "constant_normalization": ("Warning when",),
    "departed_weights": ("Error when",),
    "diverging_loss": ("Warning when",),
    "non_finite": ("Warning when",),
    "redundant_bias": ("Error when", "Warning when"),
}
"""Sections that do not apply: severities that these detectors do not give."""

INFORMS = {"departed_weights", "redundant_bias"}

ONE_MEANING = {
    "max_constant_ratio": "over that of a constant prediction",
    "max_initial_share": "of the start that is left",
    "min_steps": "the recorded steps from which",
    "min_weight_change": "the sum of the update ratios of the layer that moves most",
    "threshold_if_not_learning": "in a network that learns nothing",
}
"""Keys of several detectors, and what all of them have to say of it."""


def summary(item: Callable[..., Any]) -> str:
    documentation = inspect.getdoc(item)
    assert documentation, f"{item.__name__} has no docstring"
    return documentation.splitlines()[0]


def keywords(item: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {
        name: parameter
        for name, parameter in inspect.signature(item, eval_str=True).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


@each_case("name", DETECTORS)
def test_a_detector_documents_itself(name: str) -> None:
    detector = DETECTORS[name]
    assert NAME.fullmatch(name)
    assert detector.name == detector.function.__name__ == name
    assert re.fullmatch(r"GS\d{3}", detector.code)
    assert int(detector.code[2]) in FAMILIES
    assert summary(detector.function).endswith(".")
    assert detector.code in (inspect.getmodule(detector.function).__doc__ or "")  # type: ignore[union-attr]


@each_case("name", DETECTORS)
def test_a_detector_has_every_section_that_applies(name: str) -> None:
    explanation = explanation_of(DETECTORS[name])
    titles = [title for title, _ in explanation.sections]
    expected = [title for title in SECTIONS if title not in {"Thresholds", "Info when"}]
    expected = [title for title in expected if title not in WITHOUT.get(name, ())]
    if name in INFORMS:
        expected.insert(expected.index("Not judged when"), "Info when")
    assert titles == expected
    for title, text in explanation.sections:
        assert text.endswith("."), title
    for threshold in explanation.thresholds:
        assert threshold.meaning.endswith("."), threshold.key
        if threshold.key in ONE_MEANING:
            assert ONE_MEANING[threshold.key] in threshold.meaning, threshold.key


@each_case("name", DETECTORS)
def test_a_detector_says_only_the_severities_that_it_documents(name: str) -> None:
    titles = {title for title, _ in explanation_of(DETECTORS[name]).sections}
    severities = {case.severity for case in CASES if case.detector == name}
    for severity in Severity:
        if severity in severities:
            assert f"{severity.capitalize()} when" in titles, severity


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("What it is:\n    A test.", "no section"),
        ("Source:\n    A test.\nError when:\n    Always.", "order"),
        ("Thresholds:\n    limit = 2: a limit.", "documented 2"),
        ("Thresholds:\n    bound = 1: a limit.", "bound"),
        ("Source:\n    A test.", r"thresholds \['limit'\]"),
    ],
)
def test_a_docstring_that_does_not_fit_is_refused(body: str, message: str) -> None:
    def judge(record: object, *, limit: float = 1.0) -> tuple[()]:
        return ()

    judge.__doc__ = f"Tell something.\n\n{body}"
    with pytest.raises(ValueError, match=message):
        explanation_of(Detector("GS001", "judge", 0, judge))


@each_case("name", DETECTORS)
def test_the_thresholds_of_a_detector_are_its_keywords(name: str) -> None:
    function = DETECTORS[name].function
    parameters = inspect.signature(function, eval_str=True).parameters
    thresholds = keywords(function)
    assert thresholds
    assert next(iter(parameters)) == "record"
    assert len(parameters) == len(thresholds) + 1
    for parameter in thresholds.values():
        assert parameter.annotation is float
        assert isinstance(parameter.default, (int, float))


def test_codes_and_ranks_are_unique() -> None:
    codes = [detector.code for detector in DETECTORS.values()]
    ranks = [detector.rank for detector in DETECTORS.values()]
    assert len(set(codes)) == len(codes)
    assert len(set(ranks)) == len(ranks)


def test_every_file_of_the_room_is_a_detector() -> None:
    folder = Path(detectors.__file__).parent
    files = {path.stem for path in folder.rglob("*.py") if not path.stem.startswith("_")}
    assert files == set(DETECTORS)


@each_case("name", DETECTORS)
def test_a_detector_has_healthy_sick_and_borderline_cases(name: str) -> None:
    own = [case for case in CASES if case.detector == name]
    assert {case.kind for case in own} >= set(KINDS)
    assert any(case.severity in set(Severity) for case in own if case.kind == "sick")
    assert any(case.severity == "" for case in own if case.kind == "healthy")
    sides = {case.severity == "" for case in own if case.kind == "borderline"}
    assert sides == {True, False}, "a borderline case on both sides of the limit"


def test_every_case_is_of_a_detector() -> None:
    assert {case.detector for case in CASES} == set(DETECTORS)
    assert {case.kind for case in CASES} == set(KINDS)


@pytest.mark.parametrize("name", DATASETS)
def test_a_data_set_documents_itself(name: str) -> None:
    function = DATASETS[name]
    assert NAME.fullmatch(name)
    assert summary(function).endswith(".")
    documentation = inspect.getdoc(function) or ""
    for section in ("Shapes:", "Source:", "Licence:"):
        assert section in documentation, section
    parameters = inspect.signature(function).parameters
    assert set(parameters) == set(keywords(function)), "YAML keys are keyword-only parameters"
    hints = typing.get_type_hints(function, include_extras=True)
    assert set(hints) == {*parameters, "return"}


@pytest.mark.parametrize("name", REPORTERS)
def test_a_reporter_documents_itself(name: str) -> None:
    function = REPORTERS[name]
    assert NAME.fullmatch(name)
    assert summary(function).endswith(".")  # type: ignore[arg-type]
    assert list(inspect.signature(function).parameters) == ["report", "options"]
