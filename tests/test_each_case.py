"""Every case runs, every failure is told with its case, and fixtures still arrive."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.each_case import each_case


def test_all_failures_are_told() -> None:
    seen: list[tuple[int, str]] = []

    @each_case(("number", "word"), [(1, "one"), (2, "two"), (3, "three")])
    def check(number: int, word: str) -> None:
        seen.append((number, word))
        assert number == 2, "not two"

    with pytest.raises(ExceptionGroup, match="2 of 3 cases") as caught:
        check()
    assert [error.__notes__ for error in caught.value.exceptions] == [
        ["in the case {'number': 1, 'word': 'one'}"],
        ["in the case {'number': 3, 'word': 'three'}"],
    ]
    assert seen == [(1, "one"), (2, "two"), (3, "three")]


def test_no_case_is_a_mistake() -> None:
    with pytest.raises(AssertionError, match="without a case"):
        each_case("number", [])(lambda number: None)


@each_case("first", [1, 2])
@each_case("second", [(3, 4)])
def test_decorators_multiply_and_leave_the_fixtures(
    tmp_path: Path, first: int, second: tuple[int, int]
) -> None:
    assert tmp_path.is_dir()
    assert second == (3, 4)
    (tmp_path / str(first)).touch(exist_ok=False)
