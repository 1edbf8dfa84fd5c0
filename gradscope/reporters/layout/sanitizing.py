"""Make strings from users (layer names, paths, messages) safe to show."""

from __future__ import annotations

import unicodedata

# Controls (C0, DEL, C1), format characters (bidi, zero-width, tags), surrogates, code points
# without a character, line and paragraph separators: all that a screen obeys instead of showing.
_OBEYED = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


def printable(text: str) -> str:
    r"""The text with everything that a screen would obey written as ``\x1b``, ``\u202e``.

    Line breaks are escaped too: a name stays on its line. Markup is not changed:
    each form escapes its own.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _OBEYED else c for c in text)


def printable_lines(text: str) -> str:
    """The same for text of several lines, whose line feeds are kept."""
    return "\n".join(printable(line) for line in text.split("\n"))


def as_ascii(text: str) -> str:
    """The text for a reader whose encoding is ASCII; other characters become escapes."""
    return text.encode("ascii", "backslashreplace").decode("ascii")


def _escape(character: str) -> str:
    point = ord(character)
    if point <= 0xFF:
        return f"\\x{point:02x}"
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"
