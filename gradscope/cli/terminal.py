"""What the reader's terminal can show, and the result on stdout."""

from __future__ import annotations

import os
import shutil
import sys

import click

from gradscope.reporters.report import ReportOptions

PIPED_WIDTH = 100
"""Columns where stdout is no terminal and nobody said how wide it is."""


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
    if asked.isdigit() and int(asked) > 0:
        return int(asked)
    return shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if terminal else PIPED_WIDTH


def _has_unicode() -> bool:
    try:
        "▁█×→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def result(text: str) -> None:
    """Write the result to stdout; characters it cannot show are escaped."""
    encoding = sys.stdout.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding))


def note(text: str) -> None:
    """Write something beside the result to stderr."""
    encoding = sys.stderr.encoding or "utf-8"
    click.echo(text.encode(encoding, "backslashreplace").decode(encoding), err=True)
