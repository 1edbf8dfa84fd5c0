"""Measure the baseline of a network, which `check` compares later ones with."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradscope.cli import completion, options

if TYPE_CHECKING:
    from gradscope.workflows.measuring.seed_options import SeedOptions


@click.command()
@click.argument("configs", nargs=-1, required=True, shell_complete=completion.configs)
@options.overrides
@click.option(
    "-o",
    "--output",
    type=options.NamedPath(),
    metavar="FILE",
    help="Where the baseline goes (default: beside the config, as <config>.baseline.json).",
)
@click.option("--update", is_flag=True, help="Show what changed, and replace the baseline.")
@options.seed_options
@options.quiet
@options.timeout
@options.trust_model
def command(
    configs: tuple[str, ...],
    overrides: tuple[str, ...],
    *,
    output: Path | None,
    update: bool,
    seed_options: SeedOptions,
    quiet: bool,
    timeout: float | None,
    trust: bool,
) -> None:
    """Measure several seeds of every config of CONFIGS and write one JSON file for each.

    The file is meant to be committed: `gradscope check CONFIG` compares with it. It is the same to
    the byte when it is measured again in the same environment.
    """
    from gradscope.cli import terminal
    from gradscope.cli.progress import Progress
    from gradscope.errors import BadRequest
    from gradscope.gate.baselines import baseline_file
    from gradscope.reporters.baseline import baseline_text
    from gradscope.workflows.baseline import check_target, measure_baseline, write_baseline
    from gradscope.workflows.measuring.engine import Workers
    from gradscope.workflows.measuring.inputs import input_files

    if output is not None and len(configs) > 1:
        raise BadRequest(
            f"one file for {len(configs)} configs",
            "leave --output out: each goes beside its config",
        )
    engine = Workers(timeout=timeout, trust_model=trust, deterministic=True)
    planned = [
        (config, output or baseline_file.default_path(source), [Path(source), *input_files(config)])
        for source, config in seed_options.load_configs(configs, overrides)
    ]
    for _, path, inputs in planned:
        check_target(path, update=update, inputs=inputs)
    for config, path, inputs in planned:
        with Progress(quiet=quiet) as progress:
            measure = partial(measure_baseline, config, seed_options, engine, progress.watch)
            report = write_baseline(path, measure, update=update, inputs=inputs)
        terminal.result(baseline_text(report, terminal.options()).rstrip("\n"))
