"""Run a training script of your own, and report on every `model.fit` in it."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("script", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.option(
    "--every",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    metavar="N",
    help="Measure the first step of each fit, every Nth, and the last.",
)
@options.output
@options.report_form
@options.exit_code
def command(
    script: Path,
    arguments: tuple[str, ...],
    *,
    every: int,
    output: Path | None,
    form: str,
    gate: bool,
) -> None:
    """Run SCRIPT with ARGUMENTS, and measure every `model.fit` in it.

    The script runs as ``python SCRIPT ARGUMENTS`` does, without a changed line, and trains the same
    weights to the last bit. What it prints goes to stderr; the reports go to stdout at the end, and
    to reports/<script>, reports/<script>-2, ...: one for each fit. Options of gradscope stand
    before SCRIPT.
    """
    from gradscope.cli import script_fits

    raise click.exceptions.Exit(
        script_fits.measure_and_show(
            script, arguments, every=every, output=output, form=form, gate=gate
        )
    )
