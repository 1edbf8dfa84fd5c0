"""Styled lines of a terminal page, wrapped without ever cutting a word or a number."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.text import Text

from gradscope.reporters.layout.sanitizing import as_ascii, inert_in_logs, printable

NARROWEST = 24
STYLES = {
    "title": "bold",
    "dim": "dim",
    "healthy": "green",
    "error": "bold red",
    "warning": "yellow",
    "info": "cyan",
    "skipped": "dim",
    "ignored": "dim",
    "crashed": "magenta",
    "inconclusive": "yellow",
    "unhealthy": "bold red",
}
_SYMBOLS = {
    "healthy": "✓",
    "error": "✗",
    "unhealthy": "✗",
    "warning": "!",
    "inconclusive": "?",
    "info": "i",
    "crashed": "?",
}
_ASCII_SYMBOLS = {"✓": "+", "✗": "x"}


def symbol(tone: str, unicode: bool) -> str:
    """One character with the meaning of the colour, for readers without colours."""
    character = _SYMBOLS.get(tone, "-")
    return character if unicode else _ASCII_SYMBOLS.get(character, character)


def wrapped(text: str, width: int) -> Iterator[str]:
    """Lines of at most `width` columns, broken at spaces only: a longer word stays whole."""
    line = ""
    for word in text.split(" "):
        extended = f"{line} {word}" if line else word
        if line and cell_len(extended) > width:
            yield line
            line = word
        else:
            line = extended
    yield line


def shortened(name: str, width: int, unicode: bool) -> str:
    """A name shortened to `width` columns; not for numbers or verdicts.

    The folders of a path are shortened first, from the outermost, each to its initials and
    numbers: ``encoder_block_2/attention/query`` becomes
    ``eb2/attention/query``. What is still too long is cut in the middle.
    """
    name = name if unicode else as_ascii(name)
    *folders, last = name.split("/")
    for position, folder in enumerate(folders):
        if cell_len(name) <= width:
            break
        folders[position] = _initials(folder)
        name = "/".join([*folders, last])
    if cell_len(name) <= width:
        return name
    dots = "…" if unicode else ".."
    half = (width - len(dots)) // 2
    # A cut through a wide character leaves a blank.
    head = set_cell_size(name, width - len(dots) - half).rstrip()
    tail = set_cell_size(name[::-1], half).rstrip()[::-1]
    return f"{head}{dots}{tail}"


def _initials(folder: str) -> str:
    """`encoder_block_12` as `eb12`: the first letter of each word, every digit."""
    return "".join(re.findall(r"(?<![^\W_])[^\W\d_]|\d", folder)) or folder


class Page:
    """Lines collected in order, then printed by rich into one string."""

    def __init__(self, *, width: int, color: bool, unicode: bool) -> None:
        self.width = max(width, NARROWEST)
        self.color = color
        self.unicode = unicode
        self._lines: list[Text] = []

    def add_text(self, text: str, tone: str = "", *, indent: int = 0, hanging: int = 0) -> None:
        """Wrap `text` onto the page; lines after the first are indented by `hanging` more."""
        # One width for all lines, so that the indented ones fit too.
        width = max(self.width - indent - hanging, 1)
        for row in (text if self.unicode else as_ascii(text)).split("\n"):
            for i, line in enumerate(wrapped(row, width)):
                self.add_line(
                    Text(" " * (indent + (hanging if i else 0)) + line, STYLES.get(tone, ""))
                )

    def add_heading(self, text: str) -> None:
        """Add an empty line and a heading."""
        self.add_line(Text())
        self.add_text(text, "title")

    def add_command(self, command: Sequence[str], *, indent: int) -> None:
        """Add a command that pastes as it stands: broken between its parts, with a backslash."""
        line = ""
        shown = [printable(part) for part in command]
        for part in shown if self.unicode else map(as_ascii, shown):
            extended = f"{line} {part}" if line else part
            if line and indent + cell_len(extended) + 2 > self.width:
                self.add_line(Text(f"{' ' * indent}{line} \\", STYLES["info"]))
                extended = f"  {part}"
            line = extended
        self.add_line(Text(f"{' ' * indent}{line}", STYLES["info"]))

    def add_line(self, line: Text) -> None:
        """Add a line that is already laid out."""
        self._lines.append(line)

    def render(self) -> str:
        """The page as a string that ends in one line feed."""
        console = Console(
            file=io.StringIO(),
            width=self.width,
            color_system="standard" if self.color else None,
            force_terminal=self.color,
            no_color=not self.color,
            markup=False,
            emoji=False,
            highlight=False,
            legacy_windows=False,
        )
        with console.capture() as capture:
            for line in self._lines:
                line.rstrip()
                line.plain = inert_in_logs(line.plain)
            console.print(Text("\n").join(self._lines), soft_wrap=True)
        return capture.get()
