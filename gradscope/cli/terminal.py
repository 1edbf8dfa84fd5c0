"""What the reader's terminal can show, and the result on stdout."""

from __future__ import annotations

import os
import shutil
import sys

import click

from gradscope.cli import streams
from gradscope.errors import CouldNotMeasure
from gradscope.reporters.report import ReportOptions

PIPED_WIDTH = 100
"""Columns where stdout is no terminal and nobody said how wide it is."""

WIDEST = 1000
"""Columns beyond which COLUMNS is not believed."""


def options(files: tuple[str, ...] = ()) -> ReportOptions:
    """Find out width, colour and character set of stdout."""
    terminal = sys.stdout.isatty()
    return ReportOptions(
        width=_width(terminal),
        color=terminal and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb",
        unicode=_has_unicode(),
        files=files,
    )


def _width(terminal: bool) -> int:
    asked = os.environ.get("COLUMNS", "")
    if asked.isdecimal() and int(asked[:9]) > 0:
        return min(int(asked[:9]), WIDEST)
    return shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if terminal else PIPED_WIDTH


def _has_unicode() -> bool:
    try:
        "▁█×→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def result(text: str, *, end: str = "\n") -> None:
    """Write the result, or a part of it, to stdout; characters it cannot show are escaped.

    A reader who left has seen enough, so that is no failure; raises `CouldNotMeasure` for others.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        click.echo(text.encode(encoding, "backslashreplace").decode(encoding) + end, nl=False)
    except BrokenPipeError:
        streams.redirect_to_nothing(sys.stdout.fileno())
    except OSError as error:
        raise CouldNotMeasure(
            f"cannot write to stdout: {error.strerror or error}",
            "send it to a place that can be written; a report's files are in its folder",
        ) from error
