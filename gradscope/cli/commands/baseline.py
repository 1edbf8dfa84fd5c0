"""Measure what a network is like now, for `check` to hold later ones against."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@click.argument("configs", nargs=-1, required=True)
@options.overrides
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Where the baseline goes (default: beside the config, as <config>.baseline.json).",
)
@click.option("--update", is_flag=True, help="Show what changed, and replace the baseline.")
@options.at_init
@options.steps
@options.seeds
@options.trained_seeds
@options.quiet
@options.trust_model
def command(
    configs: tuple[str, ...],
    overrides: tuple[str, ...],
    *,
    output: Path | None,
    update: bool,
    at_init: bool,
    steps: int | None,
    seeds: int | None,
    trained_seeds: int | None,
    quiet: bool,
    trust: bool,
) -> None:
    """Measure several seeds of every config of CONFIGS and write one JSON file for each.

    The file is meant to be committed: `gradscope check CONFIG` compares with it. It is the same to
    the byte when it is measured again in the same environment.
    """
    from gradscope.cli import baselining, checking
    from gradscope.errors import BadRequest

    if output is not None and len(configs) > 1:
        raise BadRequest(
            f"one file for {len(configs)} configs",
            "leave --output out: each goes beside its config",
        )
    asked = checking.Asked(
        at_init=at_init,
        steps=steps,
        seeds=seeds,
        trained_seeds=trained_seeds,
        quiet=quiet,
        trust=trust,
    )
    for source, config in checking.load_all(configs, overrides, asked):
        baselining.measure_and_write(source, config, asked, output=output, update=update)
