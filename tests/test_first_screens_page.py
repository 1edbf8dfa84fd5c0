"""docs/first_screens.md shows every sick config, and what it shows names the fault."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gradscope.config.loading import load_config
from gradscope.reporters.run.page.screen import Answer, Screen, Tone
from scripts.make_first_screens_page import EXPECTED, FOLDER, PAGE, READ, Expected, missing


def test_the_page_has_a_line_for_every_sick_config() -> None:
    written = PAGE.read_text(encoding="utf-8").split("\n")
    rows = {line.split("`")[1]: line for line in written if line.startswith("| `")}
    assert list(rows) == sorted(EXPECTED) == sorted(path.stem for path in FOLDER.glob("*.yaml"))
    for name, expected in EXPECTED.items():
        _, _, _, said, where, advice = rows[name].split(" | ")
        assert expected.what in said, name
        assert expected.where in where or expected.where.capitalize() in where, name
        assert advice.strip(" |"), name
        assert f"- `{name}`: {READ[name]}" in written


@pytest.mark.parametrize("name", EXPECTED)
def test_a_sick_config_is_valid_and_says_its_fault(name: str) -> None:
    path = FOLDER / f"{name}.yaml"
    assert path.read_text("utf-8").startswith("# Fault: ")
    assert load_config(path).name == name


def test_a_screen_that_does_not_say_the_fault_is_found() -> None:
    answers = (Answer("What", "A"), Answer("Where", "B"), Answer("Try", "C", commands=("run D",)))
    screen = Screen(Tone.UNHEALTHY, "Unhealthy", "net", "", answers, ())
    assert missing(screen, Expected("A", "B", "run D")) == []
    moved = replace(screen, answers=(answers[0], answers[2], answers[1]))
    assert missing(moved, Expected("A", "B", "run D")) == ["B", "run D"]
