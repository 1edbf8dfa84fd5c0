"""Train and measure the network of a config, and report where its gradients flow."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("config")
@click.option("-s", "--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a key, for example -s model.depth=50.")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Folder for the report (default: reports/<name>).")
@click.option("--force", is_flag=True, help="Replace the report of another config.")
@click.option("-q", "--quiet", is_flag=True, help="No progress.")
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to write to stdout.")
@click.option("--exit-code", "gate", is_flag=True, help="Exit 1 when the verdict is unhealthy.")
def command(
    config: str,
    overrides: tuple[str, ...],
    output: Path | None,
    force: bool,
    quiet: bool,
    form: str,
    gate: bool,
) -> None:
    """Train and measure the network that CONFIG describes.

    Exits 0 when the measurement is complete, whatever the verdict; with --exit-code (or with
    `gradscope check`) an unhealthy verdict exits 1.
    """
    from gradscope.cli.measuring import measure_and_show

    sys.exit(
        measure_and_show(
            config, overrides, output=output, force=force, quiet=quiet, form=form, gate=gate
        )
    )
