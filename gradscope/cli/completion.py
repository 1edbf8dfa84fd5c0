"""What the shell completes: commands, options, config files, reports and terms.

TensorFlow is never imported here, and of gradscope only what a value needs.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click
from click.shell_completion import CompletionItem, get_completion_class, shell_complete

VARIABLE = "_GRADSCOPE_COMPLETE"
"""The environment variable by which the script of a shell asks for completions."""

SHELLS = ("bash", "zsh", "fish")
_PROGRAM = "gradscope"
_CONFIGS = Path("configs")
_REPORTS = Path("reports")
_RECORD = "record.npz"


def script(cli: click.Command, shell: str) -> str:
    """The script that a shell has to read."""
    kind = get_completion_class(shell)
    assert kind is not None
    completion = kind(cli, {}, _PROGRAM, VARIABLE)
    # Not `source()`, which looks for the bash of this machine; the script may be for another.
    return completion.source_template % completion.source_vars()


def answer(cli: click.Command, instruction: str) -> int:
    """Print the completions that the script asks for; gives the exit code."""
    return shell_complete(cli, {}, _PROGRAM, VARIABLE, instruction)


def configs(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """YAML files: of the folder that was typed, or of this one and of configs/."""
    del ctx, param
    typed, slash, _ = incomplete.rpartition("/")
    folders = [Path(f"{typed}/")] if slash else [Path(), _CONFIGS]
    files = [file for folder in folders for file in sorted(folder.glob("*.y*ml"))]
    return _matching((str(file) for file in files), incomplete) or _files(incomplete)


def reports(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the reports in reports/; with a slash, folders."""
    del ctx, param
    names = sorted(file.parent.name for file in _REPORTS.glob(f"*/{_RECORD}"))
    return _matching(names, incomplete) or _files(incomplete)


def terms(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What `explain` explains by its exact name."""
    del ctx, param
    from gradscope.workflows.explain import known_terms

    return _matching(dict.fromkeys(known_terms()), incomplete)


def statistics(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of the statistics of a record."""
    del ctx, param
    from gradscope.record import tidy
    from gradscope.record.builder import SCALARS

    any_record: Any = SimpleNamespace(scalars=SCALARS)
    return _matching(tidy.statistic_names(any_record), incomplete)


def _matching(names: Iterable[str], incomplete: str) -> list[CompletionItem]:
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


def _files(incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell, which completes files and folders."""
    return [CompletionItem(incomplete, type="file")]
