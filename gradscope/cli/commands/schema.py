"""Print a JSON Schema of the config, for editors."""

from __future__ import annotations

import json

import click


@click.command()
def command() -> None:
    """Print the JSON Schema of a config file; point your editor's YAML support at it."""
    from gradscope import api
    from gradscope.cli import terminal

    terminal.result(json.dumps(api.config_schema(), indent=2))
