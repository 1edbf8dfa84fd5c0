"""Write each form of a check to stdout or its file, and annotations and a summary on GitHub."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterable, Sequence
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

    Raises `BadRequest` for two on stdout.
    """
    to_stdout = [destination for destination in destinations if destination.file is None]
    if len(to_stdout) > 1:
        raise BadRequest(
            f"{to_stdout[0].form} and {to_stdout[1].form} both go to stdout",
            f"send one to a file: --format {to_stdout[1].form}=FILE",
        )
    return (*destinations, *([] if to_stdout else [Destination("text", None)]))


def check_files(destinations: Sequence[Destination], inputs: Iterable[Path]) -> None:
    """Refuse files that cannot be written or are among `inputs`, before anything is measured."""
    from gradscope.record.files import output_file

    files = [destination.file for destination in destinations if destination.file is not None]
    output_file.check_outputs(files, inputs)


def deliver(checked: Sequence[Checked], destinations: Sequence[Destination]) -> None:
    """Write every form: files first, so that they exist even if writing to stdout fails."""
    from gradscope.cli import streams, terminal
    from gradscope.record.files import output_file
    from gradscope.reporters.check import CHECK_FORMS

    to_stdout = terminal.options()
    to_file = replace(to_stdout, width=100, color=False, unicode=True)
    for destination in destinations:
        if destination.file is not None:
            text = CHECK_FORMS[destination.form](checked, to_file)
            output_file.write(destination.file, text.encode())
    if os.environ.get("GITHUB_ACTIONS") == "true":
        streams.say(CHECK_FORMS["github"](checked, to_file).rstrip("\n"))
        _append_summary(CHECK_FORMS["markdown"](checked, to_file))
    for destination in destinations:
        if destination.file is None:
            text = CHECK_FORMS[destination.form](checked, to_stdout)
            terminal.result(text.rstrip("\n"))


def _append_summary(text: str) -> None:
    """Append to the job's summary; where that fails the check has its result all the same."""
    from gradscope.cli import streams

    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        streams.say(f"gradscope: no summary was written to {path}: {error.strerror or error}")
