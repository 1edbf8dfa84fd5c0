"""A page around a first screen: what follows it is markup that its reporter has made."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from html import escape
from typing import TYPE_CHECKING

from gradscope.reporters.layout.templates import page_environment
from gradscope.reporters.run.page import drawing, policy
from gradscope.reporters.run.page.page_data import page_data
from gradscope.reporters.run.page.screen import Screen

if TYPE_CHECKING:
    from jinja2 import Template

_LONGEST_WHOLE = 20
"""Characters of a word that still fits on the line of a telephone."""


@dataclass(frozen=True)
class FoldedPart:
    """A part that is folded at first: its anchor, title and count, and safe `markup`."""

    anchor: str
    title: str
    count: str
    markup: str


def render(screen: Screen, title: str, parts: Sequence[FoldedPart], *, shown: str = "") -> str:
    """The page as a string; `shown` is safe markup that stands open below the first screen."""
    return _template().render(
        screen=screen,
        title=title,
        contents=[(part.anchor, _short(part.title)) for part in parts],
        parts=parts,
        open=shown,
        policy=policy.content_security_policy(),
        style=policy.style(),
        script=policy.script(),
        data=page_data(screen),
    )


def _short(title: str) -> str:
    """A title in the line of contents: what stands before its first comma or colon."""
    return title.partition(":")[0].partition(",")[0]


def table_markup(
    headings: Sequence[str], rows: Sequence[Sequence[str]], numbers: Sequence[bool]
) -> str:
    """A table that scrolls in a box of its own; the texts are escaped here."""
    kinds = [' class="n"' if right else "" for right in numbers]
    head = "".join(
        f'<th scope="col"{kind}>{escape(name)}</th>'
        for kind, name in zip(kinds, headings, strict=True)
    )
    body = "\n".join(
        "<tr>"
        + "".join(f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True))
        + "</tr>"
        for row in rows
    )
    table = f"<thead><tr>{head}</tr></thead>\n<tbody>{body}</tbody>"
    return f'<div class="wide"><table>{table}</table></div>'


def unbroken(text: str) -> str:
    """Escaped, with every word that has a hyphen on one line: 1e-12, and arrows."""
    return " ".join(
        f'<span class="whole">{escape(word)}</span>'
        if "-" in word and len(word) <= _LONGEST_WHOLE
        else escape(word)
        for word in text.split(" ")
    )


def command_text(command: str) -> str:
    """Escaped; the backslash at the end of a line stays on the line of the word before it."""
    return re.sub(r"(\S+ \\)$", r'<span class="end">\1</span>', escape(command), flags=re.MULTILINE)


@cache
def _template() -> Template:
    environment = page_environment(keep_trailing_newline=True)
    environment.filters |= {
        "unbroken": unbroken,
        "command_text": command_text,
        "strip_svg": drawing.strip_svg,
        "plot_svg": drawing.svg,
    }
    return environment.get_template("run/page/screen_page.html.j2")
