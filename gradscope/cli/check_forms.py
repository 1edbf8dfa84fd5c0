"""Write each form of a check to stdout or its file, and annotations and a summary on GitHub."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import click

from gradscope.cli import options
from gradscope.errors import BadRequest
from gradscope.gate.check import Checked


@dataclass(frozen=True)
class Destination:
    """One form, and the file it goes to; None is stdout."""

    form: str
    file: Path | None


def read(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> tuple[Destination, ...]:
    """Read every `FORM`, or `FORM=FILE`, of a command line."""
    del ctx, param
    return tuple(_destination(value) for value in values)


def names() -> str:
    """Give the forms by the names of their files, which takes no import of the room."""
    package = importlib.util.find_spec("gradscope.reporters")
    if package is None or package.origin is None:
        return "text"
    folder = Path(package.origin).with_name("check")
    *others, last = sorted(path.stem for path in folder.glob("[!_]*.py"))
    return f"{', '.join(others)} or {last}"


def _destination(value: str) -> Destination:
    from gradscope.reporters.check import CHECK_FORMS

    form, equals, file = value.partition("=")
    options.one_of(form, CHECK_FORMS)
    if equals and not file:
        raise click.BadParameter(f"{value!r} names no file")
    return Destination(form, Path(file) if file else None)


def with_stdout(destinations: Sequence[Destination]) -> tuple[Destination, ...]:
    """The destinations, with text on stdout where none goes there; at most one may.

    Raises `BadRequest` for two on stdout, and for a file that cannot be written, before anything is
    measured.
    """
    to_stdout = [destination for destination in destinations if destination.file is None]
    if len(to_stdout) > 1:
        raise BadRequest(
            f"{to_stdout[0].form} and {to_stdout[1].form} both go to stdout",
            f"send one to a file: --format {to_stdout[1].form}=FILE",
        )
    for destination in destinations:
        if destination.file is not None:
            _check_writable(destination.file)
    return (*destinations, *([] if to_stdout else [Destination("text", None)]))


def _check_writable(file: Path) -> None:
    folder = file.parent
    if file.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadRequest(f"cannot write {file}", "name a file in a folder that exists")


def deliver(checked: Sequence[Checked], destinations: Sequence[Destination]) -> None:
    """Write every form: files first, so that they exist even if writing to stdout fails."""
    from gradscope.cli import streams, terminal
    from gradscope.record import atomic
    from gradscope.reporters.check import CHECK_FORMS

    to_stdout = terminal.options()
    to_file = replace(to_stdout, width=100, color=False, unicode=True)
    ordered = sorted(destinations, key=lambda destination: destination.file is None)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        streams.say(CHECK_FORMS["github"](checked, to_file).rstrip("\n"))
        _append(os.environ.get("GITHUB_STEP_SUMMARY"), CHECK_FORMS["markdown"](checked, to_file))
    for destination in ordered:
        options = to_file if destination.file else to_stdout
        text = CHECK_FORMS[destination.form](checked, options)
        if destination.file is not None:
            atomic.write(destination.file, text.encode())
        else:
            terminal.result(text.rstrip("\n"))


def _append(path: str | None, text: str) -> None:
    """Append to the summary, which other steps of the job may have begun."""
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
