"""docs/remedies.md is what its results say, and its commands are commands of today."""

from __future__ import annotations

import itertools
import json
import shlex

import pytest

from gradscope import api
from scripts.make_remedies_page import (
    CONFIGS,
    PAGE,
    RESULTS,
    ROOT,
    Outcome,
    Tried,
    page,
    read_results,
    works,
)

ROWS = read_results(json.loads(RESULTS.read_text(encoding="utf-8")))


def test_the_page_is_that_of_the_results() -> None:
    written = PAGE.read_text(encoding="utf-8")
    assert written == page(list(ROWS.values())), "run python -m scripts.make_remedies_page CONFIG"
    assert tuple(ROWS) == CONFIGS  # none is left out


def test_every_command_of_a_run_makes_a_config() -> None:
    commands = [tried.command for row in ROWS.values() for tried in row.tried if tried.outcome]
    assert len(commands) > 10
    for command in commands:
        words = shlex.split(command.rpartition("&& ")[2])
        assert words[:2] == ["gradscope", "run"]
        changes = [change for flag, change in itertools.pairwise(words) if flag == "-s"]
        api.load_config(ROOT / words[2], changes)


SICK = Outcome("unhealthy", "GS101", "", "2.3")


@pytest.mark.parametrize(
    ("after", "code", "expected"),
    [
        (Outcome("healthy", "", "", "0.5"), 0, True),
        (Outcome("warning", "GS203", "", "0.5"), 0, True),
        (Outcome("unhealthy", "GS202", "", "nan"), 0, False),
        (Outcome("warning", "GS101", "", "2.3"), 0, False),
        (None, 2, False),
    ],
)
def test_a_remedy_works_where_its_cause_is_gone_and_the_state_is_better(
    after: Outcome | None, code: int, expected: bool
) -> None:
    assert works(SICK, Tried("gradscope run net.yaml", code, after)) is expected
