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
@options.quiet
@options.report_form
@options.trust_model
@options.exit_code
def command(
    config: str,
    overrides: tuple[str, ...],
    *,
    output: Path | None,
    force: bool,
    quiet: bool,
    form: str,
    trust: bool,
    gate: bool,
) -> None:
    """Train and measure the network that CONFIG describes.

    Exits 0 when the measurement is complete, whatever the verdict; with --exit-code (or with
    `gradscope check`) an unhealthy verdict exits 1.
    """
    from gradscope.cli.measuring import measure_and_show

    raise click.exceptions.Exit(
        measure_and_show(
            config,
            overrides,
            output=output,
            force=force,
            quiet=quiet,
            form=form,
            gate=gate,
            trust=trust,
        )
    )
