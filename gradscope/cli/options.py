"""The options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

overrides = click.option(
    "-s",
    "--set",
    "overrides",
    multiple=True,
    metavar="KEY=VALUE",
    help="Override a key of the config, for example -s model.depth=50; may be repeated.",
)
output = click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for the report (default: reports/<name>).",
)
force = click.option("--force", is_flag=True, help="Replace the report of another config.")
quiet = click.option("-q", "--quiet", is_flag=True, help="No progress on stderr.")
exit_code = click.option(
    "--exit-code", "gate", is_flag=True, help="Exit 1 when the verdict is unhealthy."
)
form = click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json"]),
    default="text",
    help="What to write to stdout: the report as text (default), or result.json.",
)
trust_model = click.option(
    "--trust-model",
    "trust",
    is_flag=True,
    help="Load model.keras_file without checking what is in it: only for files of your own.",
)
