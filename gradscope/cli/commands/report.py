"""Make the report of an earlier run again, from its record."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@options.report_form
@click.option(
    "--write", is_flag=True, help="Also write result.json, report.html and the plots again."
)
@options.exit_code
def command(directory: Path, form: str, write: bool, gate: bool) -> None:
    """Show the report in DIRECTORY again, judged by the detectors of today.

    TensorFlow is not needed.
    """
    from gradscope import api
    from gradscope.cli.measuring import show, write_report
    from gradscope.reporters.run import folder

    report = api.analyze(api.load_record(directory), gate=gate)
    paths: tuple[str, ...] = ()
    if write:
        place = directory if directory.is_dir() else directory.parent
        with folder.claimed(place, report.record.environment.config_hash, force=True):
            paths = write_report(report, place)
    show(report, form, paths)
    raise click.exceptions.Exit(report.exit_code)
