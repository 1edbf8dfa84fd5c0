"""The ``gradscope`` command: finds its subcommands by file, and decides every exit code once."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import NoReturn

import click

from gradscope.errors import ExitCode, GradscopeError


class _Commands(click.Group):
    """One file in ``cli/commands`` is one command, imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name every command, from the names of the files."""
        folder = Path(__file__).parent / "commands"
        return sorted(module.name for module in pkgutil.iter_modules([str(folder)]))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Import one command."""
        if name not in self.list_commands(ctx):
            return None
        command = importlib.import_module(f"gradscope.cli.commands.{name}").command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands by the first line of their files, without importing any of them."""
        rows = [(name, _first_line(name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _first_line(command: str) -> str:
    path = Path(__file__).parent / "commands" / f"{command}.py"
    with path.open(encoding="utf-8") as file:
        return file.readline().strip().strip('"')


@click.command(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 healthy, 1 unhealthy, 2 bad request, 3 could not measure, "
    "4 inconclusive, 130 interrupted.",
)
@click.version_option(package_name="gradscope-keras", prog_name="gradscope")
def cli() -> None:
    """Do gradients flow through your Keras network, where do they stop, why, and what to change."""


def main() -> NoReturn:
    """Run the command line and exit with one of the documented codes."""
    try:
        code = cli.main(standalone_mode=False)
        sys.stdout.flush()
    except GradscopeError as error:
        _say(f"gradscope: {error}")
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        _say(error.format_message())
        code = ExitCode.BAD_REQUEST
    except click.ClickException as error:
        error.show(sys.stderr)
        code = ExitCode.BAD_REQUEST
    except (click.Abort, KeyboardInterrupt):
        _say("gradscope: interrupted")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        code = _reader_left()
    except OSError as error:
        _say(f"gradscope: {error}")
        code = ExitCode.COULD_NOT_MEASURE
    except Exception:
        code = _crashed()
    _leave(int(code or 0))


def _leave(code: int) -> NoReturn:
    """Exit, and let a reader who closed the pipe go without a word about it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _reader_left()
    except OSError as error:
        _say(f"gradscope: cannot write the result: {error.strerror or error}")
        os._exit(code if code > ExitCode.UNHEALTHY else ExitCode.COULD_NOT_MEASURE)
    sys.exit(code)


def _reader_left() -> int:
    """Point stdout at nothing, so that Python's own last flush has somewhere to go."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.HEALTHY


def _crashed() -> int:
    """Keep the traceback in a file and say so in one line: a bug of gradscope's own."""
    with tempfile.NamedTemporaryFile(
        "w", prefix="gradscope-crash-", suffix=".txt", delete=False, encoding="utf-8"
    ) as file:
        traceback.print_exc(file=file)
    kind, value = sys.exc_info()[:2]
    name = kind.__name__ if kind else "error"
    _say(f"gradscope: this is a bug in gradscope ({name}: {value}); the traceback is in {file.name}")
    return ExitCode.COULD_NOT_MEASURE


def _say(text: str) -> None:
    try:
        click.echo(text, err=True)
    except OSError:
        return
