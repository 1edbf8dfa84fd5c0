"""Train and measure the network of a config, and report where its gradients flow."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@click.argument("config")
@options.overrides
@options.output
@options.force
@options.report_detail
@options.report_form
@options.trust_model
@options.exit_code
def command(
    config: str,
    overrides: tuple[str, ...],
    *,
    output: Path | None,
    force: bool,
    form: str,
    trust: bool,
    gate: bool,
    **detail: bool,
) -> None:
    """Train and measure the network that CONFIG describes.

    Exits 0 when the measurement is complete, whatever the verdict; with --exit-code (or with
    `gradscope check`) an unhealthy network exits 1, and one of which too little is known 4.
    """
    from gradscope.cli import terminal
    from gradscope.cli.progress import Progress
    from gradscope.workflows.engine import Workers
    from gradscope.workflows.inputs import load_config
    from gradscope.workflows.run import run

    experiment = load_config(config, overrides)
    shown = options.detail_of(**detail)
    with Progress(quiet=shown.state_only) as progress:
        written = run(
            experiment,
            Workers(trust_model=trust),
            progress.watch,
            output=output,
            force=force,
            gate=gate,
        )
    terminal.show_report(
        written.report, form, written.files, source=config, overrides=overrides, detail=shown
    )
    raise click.exceptions.Exit(written.report.exit_code)
