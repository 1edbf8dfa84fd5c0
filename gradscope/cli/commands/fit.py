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
    metavar="N",
    help="Measure the first step of each fit, every Nth, and the last (default: each at first, "
    "then fewer and fewer).",
)
@options.output
@options.report_form
@options.exit_code
def command(
    script: Path,
    arguments: tuple[str, ...],
    *,
    every: int | None,
    output: Path | None,
    form: str,
    gate: bool,
) -> None:
    """Run SCRIPT with ARGUMENTS, and measure every `model.fit` in it.

    The script runs as ``python SCRIPT ARGUMENTS`` does, without a changed line, and trains the same
    weights to the last bit. What it prints goes to stderr; the reports go to stdout at the end, and
    to reports/<script>, reports/<script>.fit-2, ...: one for each fit. Options of gradscope stand
    before SCRIPT.
    """
    from gradscope import exit_codes
    from gradscope.cli import streams, terminal
    from gradscope.workflows.script_fits import run_script

    fits = run_script(script, arguments, every=every, output=output, gate=gate)
    for written in fits.reports:
        terminal.show_report(written.report, form, written.files)
    for reason in fits.not_measured:
        streams.say(f"gradscope: not measured: {reason}")
    if fits.error is not None:
        raise fits.error
    raise click.exceptions.Exit(
        exit_codes.worst(written.report.exit_code for written in fits.reports)
    )
