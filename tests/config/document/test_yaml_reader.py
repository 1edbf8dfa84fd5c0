"""What restricted YAML reads, what it refuses, and that nothing makes it raise or hang."""

from __future__ import annotations

import math
import time

import pytest

from gradscope.config.document.document import INVALID
from gradscope.config.document.yaml_reader import MAXIMUM_BYTES, read_yaml
from tests.each_case import each_case


def value_of(text: str) -> object:
    document = read_yaml(f"k: {text}", "f")
    assert document.problems == []
    return document.tree["k"]


@each_case(
    ("text", "expected"),
    [
        ("1e-3", 0.001),
        ("1E3", 1000.0),
        ("1.", 1.0),
        (".5", 0.5),
        ("-2.5e+3", -2500.0),
        ("+7", 7),
        ("0", 0),
        ("-0", 0),
        ("12345678901234567890", 12345678901234567890),
        ("true", True),
        ("FALSE", False),
        ("~", None),
        ("Null", None),
        ("", None),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("off", "off"),
        ("y", "y"),
        ("12:30", "12:30"),
        ("1_000", "1_000"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("2026-11-22", "2026-11-22"),
        ("nan", "nan"),
        ("inf", "inf"),
        ("e5", "e5"),
        ("'1'", "1"),
        ('"true"', "true"),
        ("keras:mnist", "keras:mnist"),
        ("=", "="),
        ("[1, [x], {a: 2}]", [1, ["x"], {"a": 2}]),
    ],
)
def test_scalars_follow_the_core_schema(text: str, expected: object) -> None:
    value = value_of(text)
    assert value == expected
    assert type(value) is type(expected)


def test_infinities_and_nan_are_numbers() -> None:
    assert value_of(".inf") == math.inf
    assert value_of("-.INF") == -math.inf
    assert math.isnan(value_of(".nan"))  # type: ignore[arg-type]
    assert value_of("1e999") == math.inf


@each_case(
    ("text", "message"),
    [
        (
            "k: 017",
            "f:1:4: error: k: '017' has a leading zero (write 17, or quote it if it is text)",
        ),
        (
            "k: -00",
            "f:1:4: error: k: '-00' has a leading zero (write 0, or quote it if it is text)",
        ),
        (
            "k: 123456789012345678901",
            "f:1:4: error: k: '123456789012345678901' has more than 20 digits",
        ),
        ("k: !!str 1", "f:1:4: error: k: tag '!!str' is not allowed (remove it)"),
        (
            "k: !!python/object:os.system {}",
            "f:1:4: error: k: tag '!!python/object:os.system' is not allowed (remove it)",
        ),
        ("k: ! x", "f:1:4: error: k: tag '!' is not allowed (remove it)"),
        (
            "k: &a 1",
            "f:1:4: error: k: anchor '&a' is not allowed (write the value out where it is needed)",
        ),
        ("k: *a", "f:1:4: error: k: alias '*a' is not allowed (write the value out)"),
        ("a: 1\n<<: {b: 2}", "f:2:1: error: merge key '<<' is not allowed (write the keys out)"),
        ("a: 1\nb: 2\na: 3", "f:3:1: error: a: duplicate key (first on line 1) (keep one of them)"),
        ("? [a]\n: 1", "f:1:3: error: a key must be plain text (quote it if it is text)"),
        ("a: 1\n---\nb: 2", "f:2:1: error: a config is one YAML document, here a second starts"),
        (
            "a:\n\tb: 1",
            "f:2:1: error: this is not YAML: found character '\\t' that cannot start any "
            "token (indent with spaces, not tabs)",
        ),
        ("a: [1, 2", "f:1:9: error: this is not YAML: expected ',' or ']', but got '<stream end>'"),
        (
            "%YAML 3.0\n---\na: 1",
            "f:1:1: error: this is not YAML: found incompatible YAML document "
            "(version 1.* is required)",
        ),
    ],
)
def test_refusals_name_their_place(text: str, message: str) -> None:
    document = read_yaml(text, "f")
    assert [str(problem) for problem in document.problems] == [message]


def test_reading_goes_on_after_a_refusal() -> None:
    document = read_yaml("a: &x 1\nb: *x\nc: 1\nc: 2\nd: 3\n[e]: 4\nf: 5", "f")
    assert len(document.problems) == 4
    assert document.tree == {"a": INVALID, "b": INVALID, "c": 1, "d": 3, "f": 5}


def test_places_count_from_one() -> None:
    document = read_yaml("a:\n  - x\n  - {b: 7}\n", "f")
    key, value = document.key_locations[("a", 1, "b")], document.value_locations[("a", 1, "b")]
    assert (key.line, key.column, value.line, value.column) == (3, 6, 3, 9)


def test_a_byte_order_mark_moves_no_column() -> None:
    document = read_yaml(b"\xef\xbb\xbfa: 1", "f")
    assert document.tree == {"a": 1}
    assert document.key_locations[("a",)].column == 1


@each_case(
    ("data", "words"),
    [
        (b"a: 1\nb: \xff", "f:2:4: error: byte 0xff is not UTF-8"),
        (b"a: \0", "binary file"),
        (b"x" * (MAXIMUM_BYTES + 1), "more than 256 KiB"),
        ("a: 1".encode("utf-16"), "binary file"),
        (b"a: \x07", "not YAML"),
        (b"a: 'open", "not YAML"),
        (b'a: "\\ud8"', "not YAML"),
        (b'a: "\\UFFFFFFFF"', "not YAML"),
        (b"%TAG ! !!\n", "not YAML"),
    ],
)
def test_broken_files_are_one_problem(data: bytes, words: str) -> None:
    document = read_yaml(data, "f")
    assert len(document.problems) == 1
    assert words in str(document.problems[0])
    assert document.tree is INVALID


@pytest.mark.parametrize("text", ["", "# only a comment\n", "---\n", "~"])
def test_empty_files_are_empty(text: str) -> None:
    assert read_yaml(text, "f").tree is None


def _bomb() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 9)]
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[" * 20_000, "levels deep"),
        ("{a: " * 50_000, "levels deep"),
        ("- " * 100_000, "levels deep"),
        ("? " * 20_000, ""),
        ("\n".join(f"k{n}: 1" for n in range(20_000)), "more than 10000 values"),
        ("k: " + "[" * 31 + "]" * 31, ""),
        (_bomb(), "anchor"),
        ("k: " + "9" * 200_000, "more than 20 digits"),
        ("k: " + "x" * 200_000, ""),
        ("? {" + "a: 1, " * 1_000 + "}\n: 1", "a key must be plain text"),
        ("!" * 100_000, ""),
        ("'" * 100_001, ""),
        ("&" * 100_000, ""),
    ],
)
def test_hostile_texts_end_soon(text: str, words: str) -> None:
    started = time.process_time()
    document = read_yaml(text, "f")
    assert time.process_time() - started < 30
    assert words in " ".join(map(str, document.problems))
    assert all(len(str(problem)) < 400 for problem in document.problems)


def test_depth_limit_is_exact() -> None:
    assert read_yaml("[" * 32 + "]" * 32, "f").problems == []
    assert read_yaml("[" * 33 + "1" + "]" * 33, "f").problems != []
