"""Print a config with every default filled in, and where each value came from."""

from __future__ import annotations

import json

import click


@click.command()
@click.argument("config")
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="Text with origins, or plain JSON.")
def command(config: str, overrides: tuple[str, ...], form: str) -> None:
    """Print the resolved CONFIG: one line per value, with the file and line that set it."""
    from gradscope import api
    from gradscope.cli import terminal

    resolved = api.resolve(config, overrides)
    if form == "json":
        terminal.result(json.dumps(resolved.config.to_dict(), indent=2))
        return
    rows = [
        (key, json.dumps(value, ensure_ascii=False), resolved.origins.get(key, ""))
        for key, value in api.leaves(resolved.config.to_dict())
    ]
    key_width = max(len(key) for key, _, _ in rows)
    value_width = max(len(value) for _, value, _ in rows)
    for key, value, origin in rows:
        terminal.result(f"{key:<{key_width}}  {value:<{value_width}}  {origin}".rstrip())
