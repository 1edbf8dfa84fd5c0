"""Workflow commands, read back the way GitHub's runner reads them."""

from __future__ import annotations

import re

import pytest

from gradscope.gate.check import Checked
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.sanitizing import printable, printable_lines
from gradscope.reporters.report import ReportOptions
from tests.reporters.check import cases

UPDATE = "if it is intended: gradscope baseline configs/deep_relu.yaml --update"

COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")


def commands(*checked: Checked) -> list[tuple[str, dict[str, str], str]]:
    text = CHECK_FORMS["github"](checked, ReportOptions())
    assert text.endswith("\n")
    return [read(line) for line in text[:-1].split("\n")]


def read(line: str) -> tuple[str, dict[str, str], str]:
    """As ActionCommand.cs: properties end at the next ``::``, are parted by commas, unescaped."""
    found = COMMAND.fullmatch(line)
    assert found, line
    level, properties, data = found.groups()
    pairs = (pair.split("=", 1) for pair in properties.split(","))
    return level, {key: unescaped(value) for key, value in pairs}, unescaped(data)


def unescaped(text: str) -> str:
    for escape, sign in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n")):
        text = text.replace(escape, sign)
    return text.replace("%25", "%")


def test_what_passes_is_one_notice() -> None:
    assert commands(cases.passing()) == [
        ("notice", {"title": "gradscope"}, "1 passed of 1 config"),
    ]


def test_one_annotation_per_check_that_did_not_pass() -> None:
    found = commands(*cases.everything())
    assert [(level, told.get("file"), told["title"]) for level, told, _ in found] == [
        ("error", "configs/deep_relu.yaml", "deep_relu: initialisation"),
        ("error", "configs/deep_relu.yaml", "deep_relu: verdicts"),
        ("error", "configs/deep_relu.yaml", "deep_relu: GS101 vanishing_gradient"),
        ("error", "configs/broken.yaml", "broken: not measured"),
        ("warning", "configs/narrow.yaml", "narrow: initialisation"),
        ("notice", None, "gradscope"),
    ]
    check = cases.departed()
    assert found[0][2] == "\n".join((check.sentence, check.evidence, UPDATE))
    assert found[0][1]["line"] == "1"


def test_nothing_checked_is_a_warning() -> None:
    level, told, text = commands(cases.unheard())[0]
    assert (level, told["title"], text) == ("warning", "idle: inconclusive", "nothing was checked")


@pytest.mark.parametrize(("configs", "errors", "more"), [(3, 9, 0), (4, 10, 2), (30, 10, 80)])
def test_no_more_than_github_shows(configs: int, errors: int, more: int) -> None:
    found = commands(*[cases.failing()] * configs)
    assert [level for level, _, _ in found] == ["error"] * errors + ["notice"]
    said = f"{configs} failed of {configs} configs" + (f"; {more} more in the log" if more else "")
    assert found[-1][2] == said


def test_hostile_strings_stay_inside_their_command() -> None:
    found = commands(cases.nasty())
    assert [level for level, _, _ in found] == ["error", "warning", "notice"]
    assert found[0][1].keys() == {"file", "line", "title"}
    assert found[0][1]["file"] == printable_lines(cases.NASTY)
    shown = printable_lines(cases.NASTY)
    assert found[0][2] == f"{shown}\n{shown}\n{shown}: {shown}"
    text = CHECK_FORMS["github"]((cases.nasty(),), ReportOptions())
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
