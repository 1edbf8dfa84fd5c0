"""Print a config with every default filled in, and where each value came from."""

from __future__ import annotations

import json

import click

from gradscope.cli import options


@click.command()
@options.config_argument
@options.overrides
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="Text with origins, or plain JSON.",
)
def command(config: str, overrides: tuple[str, ...], form: str) -> None:
    """Print the resolved CONFIG: one line per value, with the file and line that set it."""
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.config.document.tree_path import dotted_path
    from gradscope.config.origins import leaf_values

    resolved = api.resolve(config, overrides)
    tree = resolved.config.to_dict()
    if form == "json":
        terminal.result(json.dumps(tree, indent=2))
        return
    rows = [
        (dotted_path(path), json.dumps(value, ensure_ascii=False))
        for path, value in leaf_values(tree)
    ]
    key_width = max(len(key) for key, _ in rows)
    value_width = max(len(value) for _, value in rows)
    terminal.result(
        "\n".join(
            f"{key:<{key_width}}  {value:<{value_width}}  {resolved.origins.get(key, '')}".rstrip()
            for key, value in rows
        )
    )
