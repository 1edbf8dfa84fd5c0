"""Text in Markdown in which nothing of the user's is interpreted."""

from __future__ import annotations

from gradscope.reporters.layout.sanitizing import printable

LARGEST = 65_000
"""Bytes; a comment holds 65,536 characters, a step summary 1 MiB: one text serves both."""

SPECIAL_CHARACTERS = frozenset("\\`*_[]<>|~$&#")
"""Characters with a meaning in Markdown, HTML or a table."""


def cell(text: str) -> str:
    """Text on one line in which Markdown, HTML and the table interpret nothing."""
    shown = printable(text.replace("\n", " "))
    safe = "".join(f"&#{ord(c)};" if c in SPECIAL_CHARACTERS else c for c in shown)
    # A zero-width space after @ prevents a mention: a layer's name notifies nobody.
    return safe.replace("@", "@&#8203;")


def paragraph(text: str) -> str:
    """The same at the start of a line: its first character starts no list and no heading."""
    first = text[:1]
    return cell(text) if first.isalpha() else f"&#{ord(first or ' ')};{cell(text[1:])}"


def fitting(text: str) -> str:
    """The text, cut after a line where a comment has no room for all of it."""
    if len(text.encode()) <= LARGEST:
        return text
    kept = text.encode()[:LARGEST].decode(errors="ignore").rpartition("\n")[0]
    return f"{kept}\n\nThe rest is too long to be shown here.\n"
