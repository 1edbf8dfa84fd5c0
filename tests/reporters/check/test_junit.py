"""JUnit XML: valid, complete, and harmless whatever the names are."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

import pytest
import xmlschema

from gradscope.gate.check import Checked, Difference, Status
from gradscope.reporters import check_text
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import ReportOptions
from tests.reporters.check.cases import failing, inconclusive, nasty, not_measured, passing

EVERY = (passing, failing, inconclusive, not_measured, nasty)


@pytest.fixture(scope="module")
def schema() -> xmlschema.XMLSchema:
    return xmlschema.XMLSchema(Path(__file__).parents[1] / "schemas" / "junit-10.xsd")


def parsed(checked: Sequence[Checked]) -> Element:
    text = CHECK_FORMS["junit"](checked, ReportOptions())
    assert text.endswith("</testsuites>\n") or text.endswith("/>\n")
    return ElementTree.fromstring(text.encode("ascii"))


def of_suite(element: Element, name: str) -> list[str]:
    return [p.attrib["value"] for p in element.iter("property") if p.attrib["name"] == name]


def answers(suite: Element) -> list[tuple[str, str]]:
    """Every test case's name and the element that is not its output."""
    found = []
    for case in suite.iter("testcase"):
        tags = [child.tag for child in case if child.tag != "system-out"]
        assert len(tags) <= 1
        found.append((case.attrib["name"], tags[0] if tags else "passed"))
    return found


def texts(root: Element) -> list[str]:
    return [
        text
        for element in root.iter()
        for text in (*element.attrib.values(), element.text or "", element.tail or "")
    ]


@pytest.mark.parametrize("case", EVERY)
def test_each_outcome_alone_is_valid(schema: xmlschema.XMLSchema, case) -> None:
    schema.validate(parsed([case()]))


def test_several_configs_and_none_are_valid(schema: xmlschema.XMLSchema) -> None:
    schema.validate(parsed([case() for case in EVERY]))
    schema.validate(parsed([]))


def test_the_schema_refuses_what_is_not_junit(schema: xmlschema.XMLSchema) -> None:
    root = parsed([failing()])
    next(root.iter("testcase")).attrib.pop("name")
    assert not schema.is_valid(root)


def test_every_check_is_a_test_case_with_its_answer() -> None:
    root = parsed([passing(), failing(), inconclusive(), not_measured()])
    assert [answers(suite) for suite in root] == [
        [
            ("structure", "passed"),
            ("initialisation", "passed"),
            ("training", "skipped"),
            ("verdicts", "passed"),
        ],
        [
            ("structure", "passed"),
            ("initialisation", "failure"),
            ("training", "passed"),
            ("verdicts", "failure"),
            ("GS101 vanishing_gradient", "failure"),
        ],
        [("structure", "passed"), ("initialisation", "error")],
        [("measure", "error")],
    ]
    kinds = [element.attrib["type"] for element in root.iter("error")]
    assert kinds == ["inconclusive", "not measured"]
    assert {case.attrib["classname"] for case in root[1].iter("testcase")} == {
        "gradscope.deep_relu"
    }


def test_the_counts_are_those_of_the_cases() -> None:
    root = parsed([passing(), failing(), inconclusive(), not_measured()])
    assert root.attrib == {
        "name": "gradscope check",
        "tests": "12",
        "failures": "3",
        "errors": "2",
        "time": "9.750",
    }
    counted = [
        [suite.attrib[k] for k in ("tests", "failures", "errors", "skipped")] for suite in root
    ]
    assert counted == [
        ["4", "0", "0", "1"],
        ["5", "3", "0", "0"],
        ["2", "0", "1", "0"],
        ["1", "0", "1", "0"],
    ]
    assert [suite.get("time") for suite in root] == ["3.250", "3.250", "3.250", None]
    assert root[1].attrib["file"] == "configs/deep_relu.yaml"


def test_a_failure_tells_the_figures_the_layers_and_the_remedy() -> None:
    over = Difference("delta", "", 1.0, 0.24, "-76 % per layer", "-78 to -74 %", per_layer=True)
    check = failing().checks[1]
    check = replace(check, differences=(*check.differences, over))
    root = parsed([replace(failing(), checks=(check, *failing().checks[2:]))])
    first, _, third = root.iter("failure")
    assert first.attrib["message"] == check.sentence
    lines = (first.text or "").split("\n")
    assert lines[:3] == [
        check.sentence,
        check.evidence,
        "hidden_12: delta 0.512 -> 0.563, +10 % (+9.9 % to +10 %)",
    ]
    assert lines[-2:] == [
        "whole network: delta slope 1 -> 0.24, -76 % per layer (-78 to -74 %)",
        "Try: if it is intended: gradscope baseline configs/deep_relu.yaml --update",
    ]
    assert len(lines) == 2 + len(check.differences) + 1
    assert "layers: hidden_1\n" in (third.text or "")


def test_properties_hold_environment_evidence_and_baseline() -> None:
    root = parsed([failing()])
    assert of_suite(root, "evidence") == [failing().evidence]
    assert of_suite(root, "baseline") == ["configs/deep_relu.baseline.json"]
    assert of_suite(root, "change") == list(failing().changes)
    assert of_suite(root, "environment.keras") == ["3.15.0"]
    assert of_suite(root, "environment.cpu_flags") == ["avx2 fma"]
    assert not of_suite(parsed([not_measured()]), "environment.keras")


def test_what_was_not_measured_tells_why() -> None:
    (error,) = parsed([not_measured()]).iter("error")
    assert error.attrib["message"] == not_measured().headline
    assert error.text == f"{not_measured().headline}\nTry: {not_measured().remedy}"


@pytest.mark.parametrize("code", [0, 1, 4])
def test_no_check_at_all_is_not_green(code: int) -> None:
    (suite,) = parsed([replace(not_measured(), exit_code=code)])
    assert answers(suite) == [("measure", "error")]


def test_what_was_checked_before_it_was_lost_is_told_too() -> None:
    (suite,) = parsed([replace(passing(), exit_code=3, headline="disk full")])
    assert answers(suite)[-1] == ("measure", "error")
    assert len(answers(suite)) == 5


def test_nasty_names_are_shown_and_never_obeyed() -> None:
    checked = nasty()
    root = parsed([checked])
    obeyed = {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"}
    assert not [
        t for t in texts(root) for c in t if c != "\n" and unicodedata.category(c) in obeyed
    ]
    (suite,) = root
    assert suite.attrib["name"] == printable(checked.name)
    assert suite.attrib["file"] == printable(checked.source)
    assert of_suite(root, "headline") == [printable_lines(checked.headline)]
    assert of_suite(root, "change") == [printable_lines(change) for change in checked.changes]
    assert checked.record is not None
    assert of_suite(root, "environment.device") == [
        printable_lines(checked.record.environment.device)
    ]
    for check, case in zip(checked.checks, suite.iter("testcase"), strict=True):
        assert case.attrib["name"] == printable(check.name)
        (answer,) = case
        if check.status is not Status.PASSED:
            assert answer.attrib["message"] == printable_lines(check.sentence)
        for told in (check.sentence, check.evidence, check_text.check_remedy(check, checked)):
            assert printable_lines(told) in (answer.text or "")
    assert "\U0001f600" in suite.attrib["name"]


def test_equal_checks_give_equal_bytes() -> None:
    render = CHECK_FORMS["junit"]
    assert render([nasty()], ReportOptions()) == render([nasty()], ReportOptions(width=40))
