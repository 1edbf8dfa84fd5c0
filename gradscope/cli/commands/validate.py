"""Check configs without training anything."""

from __future__ import annotations

import click


@click.command()
@click.argument("configs", nargs=-1, required=True)
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key.")
def command(configs: tuple[str, ...], overrides: tuple[str, ...]) -> None:
    """Check every config of CONFIGS; exit 2 when one has a mistake. TensorFlow is not needed."""
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.errors import ConfigError, Problem

    problems: list[Problem] = []
    for config in configs:
        try:
            api.load_config(config, overrides)
        except ConfigError as error:
            problems.extend(error.problems)
        else:
            terminal.result(f"{config}: ok")
    if problems:
        raise ConfigError(tuple(problems))
