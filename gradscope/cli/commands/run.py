"""Train and measure the network of a config, and report where its gradients flow."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


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
@options.report_form
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
    trust: bool,
    in_browser: bool,
    gate: bool,
    **detail: bool,
) -> None:
    """Train and measure the network that CONFIG describes.

    Exits 0 when the measurement is complete, whatever the verdict; with --exit-code (or with
    `gradscope check`) an unhealthy network exits 1, and one of which too little is known 4.
    """
    import json
    import shlex
    import sys

    from gradscope.cli import streams, terminal
    from gradscope.cli.progress import Progress
    from gradscope.reporters.run_list import location_text
    from gradscope.workflows.engine import Workers
    from gradscope.workflows.inputs import load_config
    from gradscope.workflows.run import run

    # Quoted, or a name such as 50 would be read as a number.
    named = (*overrides, f"name={json.dumps(name)}") if name is not None else overrides
    experiment = load_config(config, named, locate_user_code=True)
    shown = options.detail_of(**detail)
    with Progress(quiet=shown.state_only) as progress:
        written = run(
            experiment,
            Workers(trust_model=trust),
            progress.watch,
            output=output,
            replace_earlier=replace_earlier,
            gate=gate,
            at_init=at_init,
            command=shlex.join(["gradscope", *sys.argv[1:]]),
        )
    if not shown.state_only:
        streams.say(location_text(written.folder, written.earlier))
    terminal.show_report(
        written.report, form, written.files, source=config, overrides=overrides, detail=shown
    )
    if in_browser:
        terminal.open_page(written.folder)
    raise click.exceptions.Exit(written.report.exit_code)
