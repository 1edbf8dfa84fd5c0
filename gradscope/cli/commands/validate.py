"""Check configs without training anything."""

from __future__ import annotations

import click

from gradscope.cli import completion, options


@click.command()
@click.argument("configs", nargs=-1, required=True, shell_complete=completion.configs)
@options.overrides
def command(configs: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Check every config of CONFIGS; exit 2 when one has a mistake.

    The files and functions of your own that a config names must exist; your code is not executed.
    TensorFlow is not needed.
    """
    from gradscope.cli import terminal
    from gradscope.errors import ConfigError, Problem
    from gradscope.workflows.measuring.inputs import check_config

    problems: list[Problem] = []
    valid: list[str] = []
    for config in configs:
        try:
            members = check_config(config, overrides)
        except ConfigError as error:
            problems.extend(error.problems)
        else:
            valid.append(f"{config}: ok" + (f", {members:,} members" if members else ""))
    if valid:
        terminal.result("\n".join(valid))
    if problems:
        raise ConfigError(tuple(problems))
