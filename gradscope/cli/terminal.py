"""What stdout can show (width, colour, characters), and writing the result to it."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradscope.cli import streams
from gradscope.errors import CouldNotMeasure
from gradscope.reporters.report import BRIEF, Detail, Report, ReportOptions

if TYPE_CHECKING:
    from gradscope.workflows.report_files.report_folder import WrittenReport

PIPED_WIDTH = 100
"""Columns where stdout is no terminal and COLUMNS is not set."""

WIDEST = 1000
"""The most columns that are used, whatever COLUMNS says."""


def options(files: tuple[str, ...] = ()) -> ReportOptions:
    """Width, colour and character set of stdout."""
    terminal = sys.stdout.isatty()
    return ReportOptions(
        width=_width(terminal),
        color=_has_color(terminal),
        unicode=_has_unicode(),
        files=files,
    )


def _has_color(terminal: bool) -> bool:
    """NO_COLOR (no-color.org) comes before FORCE_COLOR (force-color.org)."""
    if "NO_COLOR" in os.environ:
        return False
    shown = terminal and os.environ.get("TERM") != "dumb"
    return shown or bool(os.environ.get("FORCE_COLOR"))


def _width(terminal: bool) -> int:
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and int(columns[:9]) > 0:
        return min(int(columns[:9]), WIDEST)
    return shutil.get_terminal_size((PIPED_WIDTH, 24)).columns if terminal else PIPED_WIDTH


def _has_unicode() -> bool:
    try:
        "▁█×→".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def result(text: str, *, end: str = "\n") -> None:
    """Write the result, or a part of it, to stdout; characters it cannot show are escaped.

    A closed pipe is no failure; raises `CouldNotMeasure` for other failures to write.
    """
    encoding = sys.stdout.encoding or "utf-8"
    try:
        shown = text.encode(encoding, "backslashreplace").decode(encoding) + end
        click.echo(shown, nl=False, color=True)  # else click strips the colours that were asked for
    except BrokenPipeError:
        streams.redirect_to_nothing(sys.stdout.fileno())
    except OSError as error:
        raise CouldNotMeasure(
            f"cannot write to stdout: {error.strerror or error}",
            "send it to a place that can be written; a report's files are in its folder",
        ) from error


def track_report(written: WrittenReport, places: dict[str, str]) -> None:
    """Write a report to the trackers of `places` too; what they print goes to stderr."""
    from gradscope.workflows.tracking import track

    if not places:
        return
    streams.flush()
    with contextlib.redirect_stdout(sys.stderr):
        for line in track(written, places):
            streams.say(line)


def open_page(folder: Path | None) -> None:
    """Open the page of a report in a browser; says on stderr where that cannot be done."""
    import webbrowser

    from gradscope.reporters.run.folder import PAGE

    page = (folder or Path()).absolute() / PAGE
    if not page.exists():
        streams.say(f"there is no page {page}: `gradscope report --write` makes it")
    elif not webbrowser.open(page.as_uri()):
        streams.say(f"no browser could be started: open {page}")


def show_report(
    report: Report,
    form: str,
    files: tuple[str, ...],
    *,
    source: str = "",
    overrides: tuple[str, ...] = (),
    detail: Detail = BRIEF,
) -> None:
    """Write a report to stdout in one of the forms of `reporters.run`.

    `source` and `overrides` are the config and the settings as they were typed. The run of a check
    stands below the check's own answer.
    """
    from gradscope.gate.baselines import baseline_file
    from gradscope.reporters.check import CHECK_FORMS
    from gradscope.reporters.run import REPORTERS

    shown = replace(
        options(files),
        source=source,
        overrides=overrides,
        has_baseline=bool(source) and baseline_file.default_path(source).exists(),
        detail=detail,
    )
    if report.checked is not None and form == "text":
        checked = CHECK_FORMS["text"]([report.checked], shown)
        if detail.state_only:
            result(checked.partition("\n")[0])
            return
        result(f"{checked}\nThe network itself:")
    result(REPORTERS[form](report, shown).rstrip("\n"))
