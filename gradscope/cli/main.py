"""The ``gradscope`` command: finds its subcommands by file, and exits with a code.

`gradscope.exit_codes` decides which code.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import re
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click
from click.shell_completion import CompletionItem

from gradscope import exit_codes
from gradscope.cli import completion, streams
from gradscope.errors import ConfigError, ExitCode, GradscopeError
from gradscope.message_text import did_you_mean, show_value

_COMMAND_OF_CI = re.compile(r"^(\s*)::", re.MULTILINE)
"""A line of a user's exception must not be a command of a CI system that reads the log."""


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first argument names, or suggest the nearest name."""
        names = self.list_commands(ctx)
        known = args[0] in names or args[0].startswith("-")
        if not known and not ctx.resilient_parsing:
            remedy = did_you_mean(args[0], names)
            message = f"no command is called {show_value(args[0])}"
            ctx.fail(f"{message}; {remedy}" if remedy else message)
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the commands without importing any of them, and the options."""
        names = [name for name in self.list_commands(ctx) if name.startswith(incomplete)]
        items = [CompletionItem(name, help=_first_line(name)) for name in names]
        return [*items, *click.Command.shell_complete(self, ctx, incomplete)]

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
    "4 inconclusive, 130 interrupted, 143 terminated.",
)
@click.version_option(
    None, "-V", "--version", package_name="gradscope-keras", prog_name="gradscope"
)
def cli() -> None:
    """Do gradients flow through your Keras network, where do they stop, why, and what to change."""


def main() -> NoReturn:
    """Run the command line and exit with one of the documented codes."""
    streams.reopen_closed()
    _end_on_signals()
    code: int = ExitCode.HEALTHY
    try:
        if asked := os.environ.get(completion.VARIABLE):
            sys.exit(completion.answer(cli, asked))
        with cli.make_context("gradscope", sys.argv[1:]) as context:
            cli.invoke(context)
    except click.exceptions.Exit as end:
        code = end.exit_code
    except click.ClickException as error:
        streams.say(_usage(error))
        code = ExitCode.BAD_REQUEST
    except BrokenPipeError:  # `gradscope ... | head`
        streams.redirect_to_nothing(sys.stdout.fileno())
    except (click.Abort, KeyboardInterrupt):
        streams.say("gradscope: interrupted")
        code = ExitCode.INTERRUPTED
    except Exception as error:
        streams.say(_failure(error))
        code = exit_codes.for_exception(error)
    _leave(code)


def _failure(error: Exception) -> str:
    """Why the command ends without a result: one line, and its remedy in another."""
    if isinstance(error, ConfigError):
        return str(error)
    if isinstance(error, GradscopeError):
        return _COMMAND_OF_CI.sub(r"\1: :", f"gradscope: {error}")
    if isinstance(error, OSError):
        where = error.filename or "to stdout"
        return f"gradscope: cannot read or write {where}: {error.strerror or error}"
    return _crash(error)


def _end_on_signals() -> None:
    """End with an exception on SIGTERM, and on SIGHUP unless nohup ignores it."""

    def end(number: int, frame: Any) -> NoReturn:
        del frame
        streams.say(f"gradscope: stopped by {signal.Signals(number).name}")
        sys.exit(ExitCode.TERMINATED)

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


def _usage(error: click.ClickException) -> str:
    """The mistake in the command line, and the command that shows the right usage."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error.format_message()
    message = f"gradscope: {error.format_message()}"
    if isinstance(error, click.UsageError) and error.ctx:
        return f"{message}\n  `{error.ctx.command_path} --help` shows what there is"
    return message


def _leave(code: int) -> NoReturn:
    """Flush stdout and exit; a closed pipe is no failure, other failures to write are."""
    try:
        streams.flush()
    except OSError as error:
        if code <= ExitCode.UNHEALTHY:
            streams.say(f"gradscope: cannot write to stdout: {error.strerror or error}")
            code = ExitCode.COULD_NOT_MEASURE
        os._exit(code)
    sys.exit(code)


def _crash(error: Exception) -> str:
    """Write the traceback of a bug in gradscope to a file; gives one line that names it."""
    cause = " ".join(f"{type(error).__name__}: {error}".split())
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="gradscope-crash-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exception(error, file=file)
        where = f"the traceback is in {file.name}"
    except OSError as unwritable:
        where = f"its traceback could not be kept: {unwritable.strerror or unwritable}"
    return f"gradscope: this is a bug in gradscope ({cause}); {where}"
