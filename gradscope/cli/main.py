"""The ``gradscope`` command: finds its subcommands by file, and decides every exit code once."""

from __future__ import annotations

import importlib
import os
import pkgutil
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Any, NoReturn

import click

from gradscope.cli import streams
from gradscope.errors import ConfigError, ExitCode, GradscopeError
from gradscope.message_text import did_you_mean, show_value


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
        """Find the command that the first argument names, or tell the nearest that there is."""
        names = self.list_commands(ctx)
        if args[0] not in names and not args[0].startswith("-"):
            remedy = did_you_mean(args[0], names)
            message = f"no command is called {show_value(args[0])}"
            ctx.fail(f"{message}; {remedy}" if remedy else message)
        return super().resolve_command(ctx, args)

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
@click.version_option(package_name="gradscope-keras", prog_name="gradscope")
def cli() -> None:
    """Do gradients flow through your Keras network, where do they stop, why, and what to change."""


def main() -> NoReturn:
    """Run the command line and exit with one of the documented codes."""
    streams.reopen_closed()
    _end_on_signals()
    try:
        with cli.make_context("gradscope", sys.argv[1:]) as context:
            cli.invoke(context)
        code: int = ExitCode.HEALTHY
    except click.exceptions.Exit as end:
        code = end.exit_code
    except ConfigError as error:
        streams.say(str(error))
        code = error.exit_code
    except GradscopeError as error:
        streams.say(f"gradscope: {error}")
        code = error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        streams.say(error.format_message())
        code = ExitCode.BAD_REQUEST
    except click.ClickException as error:
        streams.say(_usage(error))
        code = ExitCode.BAD_REQUEST
    except (click.Abort, KeyboardInterrupt):
        streams.say("gradscope: interrupted")
        code = ExitCode.INTERRUPTED
    except BrokenPipeError:
        streams.redirect_to_nothing(sys.stdout.fileno())
        code = ExitCode.HEALTHY
    except OSError as error:
        where = error.filename or "to stdout"
        streams.say(f"gradscope: cannot read or write {where}: {error.strerror or error}")
        code = ExitCode.COULD_NOT_MEASURE
    except Exception:
        code = _crashed()
    _leave(code)


def _end_on_signals() -> None:
    """Let SIGTERM, and SIGHUP unless nohup wants it ignored, unwind the program before it ends."""

    def end(number: int, frame: Any) -> NoReturn:
        del frame
        streams.say(f"gradscope: stopped by {signal.Signals(number).name}")
        sys.exit(ExitCode.TERMINATED)

    signal.signal(signal.SIGTERM, end)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


def _usage(error: click.ClickException) -> str:
    """Say what is wrong with the command line, and how to learn what would be right."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    message = f"gradscope: {error.format_message()}"
    return (
        f"{message}\n  `{context.command_path} --help` shows what there is" if context else message
    )


def _leave(code: int) -> NoReturn:
    """Exit, and let a reader who closed the pipe go without a word about it."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        streams.redirect_to_nothing(sys.stdout.fileno())
    except OSError as error:
        if code <= ExitCode.UNHEALTHY:
            streams.say(f"gradscope: cannot write to stdout: {error.strerror or error}")
            code = ExitCode.COULD_NOT_MEASURE
        os._exit(code)
    sys.exit(code)


def _crashed() -> int:
    """Keep the traceback in a file and say so in one line: a bug of gradscope's own."""
    kind, value = sys.exc_info()[:2]
    name = kind.__name__ if kind else "error"
    cause = " ".join(f"{name}: {value}".split())
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="gradscope-crash-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            traceback.print_exc(file=file)
        where = f"the traceback is in {file.name}"
    except OSError as error:
        where = f"its traceback could not be kept: {error.strerror or error}"
    streams.say(f"gradscope: this is a bug in gradscope ({cause}); {where}")
    return ExitCode.COULD_NOT_MEASURE
