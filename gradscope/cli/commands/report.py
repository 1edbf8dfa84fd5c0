"""Make the report of an earlier run again, from its record."""

from __future__ import annotations

import sys
from pathlib import Path

import click


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--format", "form", type=click.Choice(["text", "json"]), default="text", help="What to write to stdout.")
@click.option("--write", is_flag=True, help="Also write result.json, report.html and the plots again.")
@click.option("--exit-code", "gate", is_flag=True, help="Exit 1 when the verdict is unhealthy.")
def command(directory: Path, form: str, write: bool, gate: bool) -> None:
    """Show the report in DIRECTORY again, judged by the detectors of today. TensorFlow is not needed."""
    from gradscope import api
    from gradscope.cli.measuring import show, write_report

    report = api.analyze(api.load_record(directory), gate=gate)
    folder = directory if directory.is_dir() else directory.parent
    show(report, form, write_report(report, folder) if write else ())
    sys.exit(report.exit_code)
