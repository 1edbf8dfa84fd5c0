"""Make strings from users (layer names, paths, messages) safe to show."""

from __future__ import annotations

import re
import unicodedata

from gradscope.message_text import escape_character

# Controls (C0, DEL, C1), format characters (bidi, zero-width, tags), surrogates, code points
# without a character, line and paragraph separators: a screen interprets them all.
_INTERPRETED = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})

# Commands in the log of a CI: `::` at the start of a line, `##[` anywhere (GitHub, Azure).
_LOG_COMMAND = re.compile(r"(?:(?<=\s)|^):(?=:)|#(?=#\[)", re.MULTILINE)


def printable(text: str) -> str:
    r"""The text with everything that a screen would interpret written as ``\x1b``, ``\u202e``.

    Line breaks are escaped too: a name stays on its line. Markup is not changed:
    each form escapes its own.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(
        escape_character(character)
        if unicodedata.category(character) in _INTERPRETED
        else character
        for character in text
    )


def printable_lines(text: str) -> str:
    """The same for text of several lines, whose line feeds are kept."""
    return "\n".join(printable(line) for line in text.split("\n"))


def as_ascii(text: str) -> str:
    """The text for a reader whose encoding is ASCII; other characters become escapes."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def inert_in_logs(text: str) -> str:
    r"""The text without commands to a CI that reads its log: ``::error`` is ``\x3a:error``."""
    return _LOG_COMMAND.sub(lambda match: escape_character(match[0]), text)
