"""A command of the command line, called in this process: its exit code and what it says."""

from __future__ import annotations

import click
from click.testing import CliRunner

from gradscope import exit_codes
from gradscope.cli import main
from gradscope.errors import GradscopeError


def call(*arguments: str) -> tuple[int, str]:
    """The exit code and the text on stderr; raises what `gradscope` would call a bug in itself."""
    done = CliRunner().invoke(main.cli, arguments, standalone_mode=False)
    error = done.exception
    if error is None:
        code = done.return_value if isinstance(done.return_value, int) else 0
        return code, done.stderr
    if isinstance(error, click.ClickException):
        return 2, f"gradscope: {error.format_message()}"
    if not isinstance(error, (GradscopeError, OSError)):
        raise error
    return int(exit_codes.for_exception(error)), main._failure(error)
