"""Where each form of a check goes: stdout, files, and what GitHub shows when it runs there."""

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
    """One form, and its file; stdout without one."""

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


def settled(destinations: Sequence[Destination]) -> tuple[Destination, ...]:
    """The destinations, with text on stdout where none goes there; at most one may.

    Raises `BadRequest` for two on stdout, and for a file that cannot be written, before anything is
    measured.
    """
    to_stdout = [one for one in destinations if one.file is None]
    if len(to_stdout) > 1:
        raise BadRequest(
            f"{to_stdout[0].form} and {to_stdout[1].form} both go to stdout",
            f"send one to a file: --format {to_stdout[1].form}=FILE",
        )
    for one in destinations:
        if one.file is not None:
            _prove(one.file)
    return (*destinations, *([] if to_stdout else [Destination("text", None)]))


def _prove(file: Path) -> None:
    folder = file.parent
    if file.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise BadRequest(f"cannot write {file}", "name a file in a folder that exists")


def deliver(checked: Sequence[Checked], destinations: Sequence[Destination]) -> None:
    """Write every form to its place; files first, so that they are there whatever stdout does."""
    from gradscope.cli import streams, terminal
    from gradscope.record import atomic
    from gradscope.reporters.check import CHECK_FORMS

    to_stdout = terminal.options()
    to_file = replace(to_stdout, width=100, color=False, unicode=True)
    ordered = sorted(destinations, key=lambda one: one.file is None)
    if os.environ.get("GITHUB_ACTIONS") == "true":
        streams.say(CHECK_FORMS["github"](checked, to_file).rstrip("\n"))
        _append(os.environ.get("GITHUB_STEP_SUMMARY"), CHECK_FORMS["markdown"](checked, to_file))
    for one in ordered:
        text = CHECK_FORMS[one.form](checked, to_file if one.file else to_stdout)
        if one.file is not None:
            atomic.write(one.file, text.encode())
        else:
            terminal.result(text.rstrip("\n"))


def _append(path: str | None, text: str) -> None:
    """Add the step summary, which other steps of the job may have begun."""
    if path:
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(text)
