"""Markdown of a check: tables that hold, nothing obeyed, within GitHub's limits."""

from __future__ import annotations

import html
from dataclasses import replace

from gradscope.gate.check import Checked
from gradscope.reporters.check import CHECK_FORMS
from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions
from tests.reporters.check import cases


def shown(*checked: Checked) -> str:
    return CHECK_FORMS["markdown"](checked, ReportOptions())


def tables(text: str) -> list[list[list[str]]]:
    """The cells of every table, as a reader sees them; every row as wide as its heading."""
    found: list[list[list[str]]] = []
    inside = False
    for line in text.split("\n"):
        if line.startswith("|"):
            found += [] if inside else [[]]
            cells = [read(cell) for cell in line[1:-1].split("|")]
            found[-1].append(cells)
            assert len(cells) == len(found[-1][0]), line
        inside = line.startswith("|")
    return found


def read(cell: str) -> str:
    return html.unescape(cell).strip().replace("@\u200b", "@")


def test_a_table_of_the_configs_and_the_rest_only_of_those_that_did_not_pass() -> None:
    text = shown(*cases.everything())
    overview, *rest = tables(text)
    assert [row[1] for row in overview[2:]] == [one.source for one in cases.everything()]
    assert [row[2] for row in overview[2:]] == [one.headline for one in cases.everything()]
    assert [line for line in text.split("\n") if line.startswith("#")] == [
        "## gradscope",
        "### deep&#95;relu",
        "### narrow",
        "### broken",
    ]
    checks, differences, _ = rest
    assert [row[1] for row in checks[2:]] == [check.name for check in cases.failing().checks]
    assert differences[0] == ["figure", "layer", "baseline", "now", "change", "over the seeds"]
    assert differences[2] == ["delta", "hidden_12", "0.512", "0.563", "+10 %", "+9.9 % to +10 %"]
    assert len(differences) == 2 + 8
    assert "\nand 2 more layers\n" in text


def test_what_could_not_be_measured_says_why_and_what_to_do() -> None:
    text = shown(cases.not_measured())
    assert "\nthe worker died: signal 9 (often out of memory)\n" in text
    assert "\nTry: lower training.batch&#95;size\n" in text


def test_all_passing_is_one_table() -> None:
    text = shown(cases.passing(), cases.passing("other"))
    assert len(tables(text)) == 1
    assert "2 passed of 2 configs" in text


def test_hostile_strings_are_text() -> None:
    text = shown(cases.nasty())
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
    assert not set("<>*`_[]\\~$") & set(text.replace("|---|---|--:|--:|---|---|", ""))
    assert "@team" not in text
    overview, checks, differences = tables(text)
    name = printable(cases.NASTY.replace("\n", " "))
    assert overview[2][1:] == [name, name]
    assert checks[2][1:] == [f"{name} {name}", name, name]
    assert differences[2] == ["delta", name, "1", "-", name, f"{name}."]
    lines = text.split("\n")
    assert len([line for line in lines if line.startswith("#")]) == 2
    assert len([line for line in lines if line.startswith("- ")]) == 1


def test_a_sentence_begins_no_list_and_no_heading() -> None:
    starts = ("# big", "- item", "+ item", "1. item", "    code", "---", "===")
    text = shown(replace(cases.failing(), changes=starts))
    listed = [line.removeprefix("- ") for line in text.split("\n") if line.startswith("- ")]
    assert [html.unescape(line) for line in listed] == list(starts)
    assert all(line.startswith("&#") for line in listed)


def test_it_fits_into_a_comment() -> None:
    text = shown(*[cases.nasty()] * 60)
    assert 60_000 < len(text.encode()) < 65_536
    assert text.endswith("\nThe rest is too long to be shown here.\n")
    tables(text)
