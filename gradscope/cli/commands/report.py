"""Make the report of an earlier run again, from its record."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@options.report_argument
@options.report_form
@options.trackers
@click.option(
    "--write", is_flag=True, help="Also write result.json, report.html and the plots again."
)
@click.option(
    "--step", type=click.IntRange(0), metavar="K", help="Show the layers at step K instead."
)
@options.report_detail
@options.open_page
@options.exit_code
def command(
    directory: Path,
    *,
    form: str,
    write: bool,
    step: int | None,
    in_browser: bool,
    gate: bool,
    places: dict[str, str],
    **detail: bool,
) -> None:
    """Show the report of DIRECTORY, a folder or a name, again, judged by the detectors of today.

    TensorFlow is not needed.
    """
    from gradscope.cli import terminal
    from gradscope.reporters.run.step import step_text
    from gradscope.workflows.report import report_again

    written = report_again(directory, gate=gate, write=write)
    if step is not None and form != "text":
        raise click.UsageError("--step shows text; `gradscope export` gives numbers to programs")
    if step is not None:
        terminal.result(step_text(written.report, step, terminal.options()).rstrip("\n"))
        return
    shown = options.detail_of(**detail)
    for each in (written, *written.others):
        terminal.show_report(
            each.report,
            form,
            each.files,
            source=written.source,
            overrides=written.overrides,
            detail=shown,
        )
    terminal.track_report(written, places)
    if in_browser:
        terminal.open_page(written.folder)
    raise click.exceptions.Exit(written.exit_code)
