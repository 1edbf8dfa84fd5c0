"""The JSON of a check is strict, complete, stable, and as its schema says."""

from __future__ import annotations

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.report import ReportOptions
from tests.reporters.check import cases

DOCS = Path(__file__).parents[3] / "docs" / "result_schema.md"


def schema(name: str) -> Any:
    room = {"result": "run", "check": "check"}[name]
    path = files(f"gradscope.reporters.{room}").joinpath(f"{name}.schema.json")
    return json.loads(path.read_text())


def rendered(name: str) -> str:
    return CHECK_FORMS["json"](cases.CASES[name], ReportOptions())


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    ours = schema("check")
    jsonschema.Draft202012Validator.check_schema(ours)
    return jsonschema.Draft202012Validator(ours)


@pytest.mark.parametrize("name", cases.CASES)
def test_it_is_what_the_schema_says(name: str, validator: jsonschema.Draft202012Validator) -> None:
    text = rendered(name)
    assert text.isascii()
    assert text.endswith("}\n")
    assert [error.message for error in validator.iter_errors(strict(text))] == []


@pytest.mark.parametrize(
    "fault",
    [
        {"surprise": 1},
        {"exit_code": 5},
        {"verdict": "fine"},
        {"configs": [{}]},
        {"schema": "gradscope.check/2"},
    ],
)
def test_the_schema_refuses(fault: Any, validator: jsonschema.Draft202012Validator) -> None:
    assert list(validator.iter_errors(strict(rendered("failing")) | fault))


def test_shared_parts_are_those_of_a_result() -> None:
    ours, result = schema("check")["$defs"], schema("result")["$defs"]
    shared = set(ours) & set(result)
    assert {"environment", "verdict", "evidence", "strings", "figure"} <= shared
    assert {name: ours[name] for name in shared} == {name: result[name] for name in shared}


def test_every_key_is_documented() -> None:
    part = DOCS.read_text(encoding="utf-8").split("# gradscope check --format json")[1]
    ours = schema("check")
    parts = (ours, *(ours["$defs"][name] for name in ("config", "check", "difference")))
    assert [key for each in parts for key in each["properties"] if f"`{key}`" not in part] == []


def test_the_worst_config_gives_the_code() -> None:
    assert {name: strict(rendered(name))["exit_code"] for name in cases.CASES} == {
        "passing": 0,
        "all_passing": 0,
        "failing": 1,
        "inconclusive": 4,
        "not_measured": 3,
        "unheard": 4,
        "none_passing": 3,
        "everything": 3,
        "nasty": 1,
        "nasty_among_others": 3,
    }


def test_time_changes_nothing_but_the_timing() -> None:
    slow = CHECK_FORMS["json"]((replace(cases.failing(), seconds=99.0),), ReportOptions())
    first, second = rendered("failing").splitlines(), slow.splitlines()
    apart = [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]]
    assert [pair[0].strip() for pair in apart] == ['"seconds": 3.25']


def test_strings_and_figures_come_back() -> None:
    (one,) = strict(rendered("nasty"))["configs"]
    assert one["name"] == one["source"] == one["checks"][0]["layers"][0] == cases.NASTY
    assert one["checks"][0]["differences"][0]["before"] == 1.0
    assert one["checks"][0]["differences"][0]["after"] is None
    (failing,) = strict(rendered("failing"))["configs"]
    assert failing["checks"][1]["differences"][0]["after"] == 0.5632
    assert failing["verdicts"][0]["code"] == "GS101"
    (lost,) = strict(rendered("not_measured"))["configs"]
    assert (lost["environment"], lost["verdict"], lost["verdicts"]) == (None, None, [])
