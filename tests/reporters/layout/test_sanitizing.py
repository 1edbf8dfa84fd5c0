"""Foreign strings are shown, never obeyed."""

import unicodedata

from gradscope.reporters.layout.sanitizing import as_ascii, printable, printable_lines
from tests.each_case import each_case
from tests.reporters.fixtures import NASTY


@each_case(
    ("text", "shown"),
    [
        ("hidden_1", "hidden_1"),
        ("σ 層 é", "σ 層 é"),
        ("\x1b[31m", "\\x1b[31m"),
        ("a\x00b\x7f\x9b", "a\\x00b\\x7f\\x9b"),
        ("\u202egnp\u2066", "\\u202egnp\\u2066"),
        ("\u200b\ufeff\u00ad", "\\u200b\\ufeff\\xad"),
        ("\u2028\u2029", "\\u2028\\u2029"),
        ("\ud800", "\\ud800"),
        ("\U000e0041\uffff", "\\U000e0041\\uffff"),
        ("a\nb\tc", "a\\x0ab\\x09c"),
    ],
)
def test_printable(text, shown):
    assert printable(text) == shown


@each_case("name", NASTY)
def test_nothing_that_a_screen_obeys_is_left(name):
    assert not {unicodedata.category(c) for c in printable(name)} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert printable(printable(name)) == printable(name)


def test_lines_keep_their_line_feeds_only():
    assert printable_lines("a\nb\r\x1b") == "a\nb\\x0d\\x1b"


def test_ascii():
    assert as_ascii("✗ σ") == "\\u2717 \\u03c3"
