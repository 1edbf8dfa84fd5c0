"""Markdown of a run: what a comment on a pull request shows, with nothing obeyed."""

from __future__ import annotations

import html
from dataclasses import replace

from gradscope.reporters.layout.sanitizing import printable
from gradscope.reporters.report import ReportOptions
from gradscope.reporters.run import REPORTERS
from tests.each_case import each_case
from tests.reporters import fixtures


def shown(name: str) -> str:
    options = ReportOptions(source="configs/quickstart.yaml", overrides=("model.depth=20",))
    return REPORTERS["markdown"](fixtures.REPORTS[name](), options)


def test_the_answer_stands_open() -> None:
    text, _, folded = shown("vanishing").partition("<details>")
    assert text.startswith("## ❌ gradscope: quickstart is unhealthy\n")
    assert "1.23e-09 of that at the last hidden layer" in text
    assert "- **Why:** model.activation: sigmoid\n" in text
    assert "- **Where:** hidden&#95;1 ... hidden&#95;15 (15 layers)\n" in text
    assert "- **Try:** selu with lecun&#95;normal\n" in text
    settings = "-s model.activation=selu -s model.initializer=lecun_normal"
    command = f"gradscope run configs/quickstart.yaml -s model.depth=20 {settings}"
    assert f"\n```sh\n{command}\n```\n" in text
    assert "| hidden&#95;1 | 1.1 |" in folded
    assert "| healthy | GS102 exploding gradient |  |" in folded


def test_a_healthy_network_is_said_to_be_so() -> None:
    assert shown("healthy").startswith("## ✅ gradscope: healthy is healthy\n")


def test_an_interrupted_run_says_how_far_it_came() -> None:
    text = html.unescape(shown("partial"))
    assert "\nPARTIAL, 3 of 300 steps: interrupted with Ctrl-C INCONCLUSIVE: too little" in text


@each_case("name", fixtures.REPORTS)
def test_every_report_keeps_the_form(name: str) -> None:
    text = shown(name)
    assert len(text.encode()) < 65_536
    assert printable(text.replace("\n", "")) == text.replace("\n", "")
    lines = text.split("\n")
    assert len([line for line in lines if line.startswith("#")]) == 1
    assert lines.count("</details>") == len([ln for ln in lines if ln.startswith("<details>")]) == 2
    width = 0
    for line in lines:
        cells = line.count("|") if line.startswith("|") else 0
        assert not cells or not width or cells == width, line
        width = cells


def test_hostile_names_are_text() -> None:
    text = shown("nasty")
    for tag in ("<details>", "<summary>", "</summary>", "</details>"):
        text = text.replace(tag, "")
    prose = "".join(text.split("```")[::2])
    assert not set("<>[") & set(prose)


def test_a_command_cannot_end_its_block() -> None:
    options = ReportOptions(source="a```b.yaml")
    text = REPORTERS["markdown"](fixtures.vanishing(), options)
    fence, command, end = text.partition("```")[2].partition("\n</")[0].split("\n")[:3]
    assert fence == "`sh"
    assert "a```b.yaml" in command
    assert end == "````"


def test_a_long_report_is_cut_after_a_line() -> None:
    report = fixtures.vanishing()
    verdicts = report.diagnosis.verdicts * 400
    long = replace(report, diagnosis=replace(report.diagnosis, verdicts=verdicts))
    text = REPORTERS["markdown"](long, ReportOptions())
    assert 60_000 < len(text.encode()) < 65_536
    assert text.endswith("\n\nThe rest is too long to be shown here.\n")
