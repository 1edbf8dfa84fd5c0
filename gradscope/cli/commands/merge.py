"""Merge the folders of a sweep's shards into one table with its pictures."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@click.argument("folders", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=options.NamedPath(),
    metavar="DIR",
    help="Folder for the whole sweep (default: reports/<name>.sweep).",
)
@options.quiet
@options.exit_code
def command(folders: tuple[Path, ...], *, output: Path | None, quiet: bool, gate: bool) -> None:
    """Merge FOLDERS, which `gradscope sweep --shard I/N` has written, into one sweep.

    Exits 4 when members are missing. TensorFlow is not needed.
    """
    from gradscope.cli import streams, terminal
    from gradscope.record.sweep_table import load_sweep
    from gradscope.reporters.sweep.text import sweep_text
    from gradscope.workflows.sweep.merge import merge, missing_text

    target = output or Path("reports") / f"{load_sweep(folders[0]).name}.sweep"
    written = merge(folders, target, gate=gate)
    lacking = missing_text(written.table)
    if lacking:
        streams.say(f"gradscope: {lacking}")
    if not quiet:
        streams.say(f"written to {written.folder}")
    terminal.result(sweep_text(written.table, terminal.options(written.files)).rstrip("\n"))
    raise click.exceptions.Exit(written.exit_code)
