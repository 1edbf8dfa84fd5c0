"""List the reports there are, the newest first."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@click.argument("directory", type=click.Path(path_type=Path), required=False)
@options.list_form
def command(directory: Path | None, form: str) -> None:
    """List the reports in the folders of DIRECTORY (default: reports).

    `gradscope report NAME` shows one of them again.
    """
    from gradscope.cli import terminal
    from gradscope.errors import BadRequest
    from gradscope.reporters.run.folder import REPORTS
    from gradscope.reporters.run.saved_runs import saved_runs
    from gradscope.reporters.run_list import LIST_FORMS

    if directory is not None and not directory.is_dir():
        raise BadRequest(f"there is no folder {directory}", "name a folder of reports")
    reports = directory or REPORTS
    text = LIST_FORMS[form](saved_runs(reports), reports, terminal.options())
    terminal.result(text.rstrip("\n"))
