"""Measure a config and exit 1 when its gradients are unhealthy."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("config")
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the report (default: reports/<name>).")
@click.option("--force", is_flag=True, help="Replace the report of another config.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to write to stdout.")
def command(
    config: str,
    overrides: tuple[str, ...],
    output: Path | None,
    force: bool,
    quiet: bool,
    form: str,
) -> None:
    """Measure the network that CONFIG describes; exit 0 if healthy, 1 if not, 4 if inconclusive."""
    from gradscope.cli.measuring import measure_and_show

    sys.exit(
        measure_and_show(
            config, overrides, output=output, force=force, quiet=quiet, form=form, gate=True
        )
    )
