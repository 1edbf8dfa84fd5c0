"""Parts of messages: counted nouns, the nearest valid name, values and foreign text."""

from __future__ import annotations

import pytest

from gradscope.message_text import (
    counted,
    did_you_mean,
    first_names,
    nearest_name,
    noun_for,
    one_of_text,
    sanitise,
    show_value,
)


def test_a_number_of_things() -> None:
    assert [counted(n, "step") for n in (0, 1, 2)] == ["0 steps", "1 step", "2 steps"]
    assert counted(60_000, "sample") == "60,000 samples"
    assert [noun_for(n, "seed") for n in (0, 1, 2)] == ["seeds", "seed", "seeds"]


def test_the_first_names() -> None:
    assert [first_names("abcde"[:n]) for n in (1, 3, 5)] == ["a", "a, b, c", "a, b, c and 2 more"]
    assert first_names(["x", "y"], shown=1) == "x and 1 more"


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("sdg", "sgd"),
        ("ADAM", "adam"),
        ("truncated-normal", "truncated_normal"),
        ("normal", "truncated_normal"),
        ("uniformm", "uniform"),
        ("adagra", "adagrad"),
        ("schedule", "schedule_free"),
        ("sched", "schedule_free"),
        ("sc", None),
        ("qqq", None),
        ("", None),
    ],
)
def test_the_nearest_name(name: str, nearest: str | None) -> None:
    names = ["sgd", "adam", "adagrad", "truncated_normal", "uniform", "schedule_free"]
    assert nearest_name(name, names) == nearest
    assert did_you_mean(name, names) == (f"did you mean '{nearest}'?" if nearest else "")
    assert did_you_mean(3, names) == ""


def test_the_allowed_values() -> None:
    assert one_of_text(["a", 2]) == "one of a, 2"
    assert one_of_text(["a"]) == "a"


def test_values_as_they_are_written() -> None:
    assert [show_value(value) for value in (None, True, False, 3, 0.5, "a")] == [
        *("nothing (null)", "true", "false", "3", "0.5", "'a'")
    ]
    assert show_value({"a": 1}) == "a mapping (1 key)"
    assert show_value([]) == "a list (0 items)"
    assert show_value(2**128) == "an integer of 129 bits"
    assert show_value(2**128 - 1) == str(2**128 - 1)
    assert show_value(object()) == "a object"


def test_foreign_text_is_safe_and_short() -> None:
    assert sanitise("a\x1b\u202e\U000e0001b") == "a\\x1b\\u202e\\U000e0001b"
    assert sanitise("x" * 80) == "x" * 80
    assert sanitise("x" * 81) == "x" * 79 + "…"
