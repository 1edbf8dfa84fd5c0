"""Measure figures of papers again, and hold them against the paper and against theory."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--list", "listed", is_flag=True, help="List the papers, and measure nothing.")
@click.option(
    "-o",
    "--output",
    type=options.NamedPath(),
    default=Path("reports/gallery"),
    metavar="DIR",
    help="Folder for the pictures and the configs (default: reports/gallery).",
)
@click.option(
    "--page",
    type=options.NamedPath(),
    metavar="FILE",
    help="Also put their sections into FILE, between its gallery lines.",
)
@options.quiet
def command(
    names: tuple[str, ...], *, listed: bool, output: Path, page: Path | None, quiet: bool
) -> None:
    """Measure the papers of NAME (all without one) again: a table and a picture for each.

    The table says what the paper says, what theory says and what was measured here. Exits 1 where a
    figure is outside its tolerance. TensorFlow runs in this process; all take about eight minutes.
    """
    from gradscope.cli import streams, terminal
    from gradscope.reporters.gallery.text import text
    from gradscope.workflows.gallery import PAPERS, measure

    chosen = measure.chosen(names)
    if listed:
        terminal.result("\n".join(f"{name:16}  {PAPERS[name].title}" for name in chosen))
        return
    if page is not None:
        measure.check_page(page)
    measure.check_folder(output)
    figures = []
    for name in chosen:
        if not quiet:
            streams.say(f"measuring {name} ...")
        figure = measure.measure(name)
        measure.write(figure, output)
        terminal.result(text(figure))
        figures.append(figure)
    if page is not None:
        measure.write_page(figures, page)
    raise click.exceptions.Exit(0 if all(figure.holds for figure in figures) else 1)
