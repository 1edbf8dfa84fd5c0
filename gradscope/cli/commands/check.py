"""Measure a config and exit 1 when its gradients are unhealthy."""

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
@options.form
@options.trust_model
def command(
    config: str,
    overrides: tuple[str, ...],
    *,
    output: Path | None,
    force: bool,
    quiet: bool,
    form: str,
    trust: bool,
) -> None:
    """Measure the network that CONFIG describes; exit 0 if healthy, 1 if not, 4 if inconclusive."""
    from gradscope.cli.measuring import measure_and_show

    raise click.exceptions.Exit(
        measure_and_show(
            config,
            overrides,
            output=output,
            force=force,
            quiet=quiet,
            form=form,
            gate=True,
            trust=trust,
        )
    )
