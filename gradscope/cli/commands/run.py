"""Train and measure the network of a config, and report where its gradients flow."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradscope.cli import options

if TYPE_CHECKING:
    from gradscope.cli.progress import Progress


@click.command()
@options.config_argument
@options.overrides
@click.option(
    "--at-init",
    is_flag=True,
    help="Look at the network as initialised only: seconds, no training.",
)
@options.output
@options.replace
@click.option("--name", metavar="NAME", help="Name of this run, and of its folder in reports/.")
@options.report_detail
@click.option(
    "--live",
    is_flag=True,
    help="Show every layer while it trains, and findings when they arise, on stderr.",
)
@options.report_form
@options.trackers
@options.timeout
@options.trust_model
@options.open_page
@options.exit_code
def command(
    config: str,
    overrides: tuple[str, ...],
    *,
    at_init: bool,
    output: Path | None,
    replace_earlier: bool,
    name: str | None,
    form: str,
    live: bool,
    timeout: float | None,
    trust: bool,
    in_browser: bool,
    gate: bool,
    places: dict[str, str],
    **detail: bool,
) -> None:
    """Train and measure the network that CONFIG describes.

    Exits 0 when the measurement is complete, whatever the verdict; with --exit-code (or with
    `gradscope check`) an unhealthy network exits 1, and one of which too little is known 4.
    """
    from gradscope.cli import streams, terminal
    from gradscope.reporters.run_list import location_text
    from gradscope.workflows.measuring.engine import Workers
    from gradscope.workflows.measuring.inputs import load_config
    from gradscope.workflows.report_files import report_folder
    from gradscope.workflows.run import run

    experiment = load_config(config, _with_name(overrides, name), locate_user_code=True)
    shown = options.detail_of(**detail)
    with _display(live=live, quiet=shown.state_only) as progress:
        written = run(
            experiment,
            Workers(timeout=timeout, trust_model=trust),
            progress.watch,
            output=output,
            replace_earlier=replace_earlier,
            gate=gate,
            at_init=at_init,
            command=_typed(),
        )
    if not shown.state_only:
        streams.say(location_text(written.folder, written.earlier))
    with report_folder.marked_failed_on_error(written):
        for each in (written, *written.others):
            terminal.show_report(
                each.report, form, each.files, source=config, overrides=overrides, detail=shown
            )
        streams.flush()
    terminal.track_report(written, places)
    if in_browser:
        terminal.open_page(written.folder)
    raise click.exceptions.Exit(written.exit_code)


def _display(*, live: bool, quiet: bool) -> Progress:
    """The table of layers where it is asked for and not quiet, otherwise lines of progress."""
    if live and not quiet:
        from gradscope.cli.live_table import LiveTable

        return LiveTable()
    from gradscope.cli.progress import Progress

    return Progress(quiet=quiet)


def _with_name(overrides: tuple[str, ...], name: str | None) -> tuple[str, ...]:
    """The overrides with the name; it is quoted, or 50 would be read as a number."""
    import json

    return overrides if name is None else (*overrides, f"name={json.dumps(name)}")


def _typed() -> str:
    """The command line, as it can be typed again."""
    import shlex
    import sys

    return shlex.join(["gradscope", *sys.argv[1:]])
