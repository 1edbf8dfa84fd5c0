"""Print measured numbers: of a layer, a step, a statistic."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import completion, options


@click.command()
@options.report_argument
@click.option("--layer", metavar="NAME", help="Only this layer.")
@click.option(
    "--step", metavar="N", default="last", show_default=True, help="A step, last, or all."
)
@click.option(
    "--statistic",
    metavar="NAME",
    shell_complete=completion.statistics,
    help="Only this one, for example delta_rms or update_ratio.",
)
@click.option(
    "--weights",
    is_flag=True,
    help="The weights before the first update beside what their initializers promise.",
)
def command(
    directory: Path, *, layer: str | None, step: str, statistic: str | None, weights: bool
) -> None:
    """Print what was measured in DIRECTORY.

    The table has a row for each layer and the main statistics as columns; with --layer, a row for
    each statistic; with --layer and --statistic, the number alone. With --step all, the columns are
    the steps. --weights shows the initial weights, gamma and beta instead. TensorFlow is not
    needed.
    """
    from gradscope.cli import terminal
    from gradscope.reporters.run.terminal.weight_lines import weight_text
    from gradscope.reporters.series import series_text
    from gradscope.workflows.analysis import load_record

    record = load_record(directory)
    if weights:
        terminal.result(weight_text(record, terminal.options()).rstrip("\n"))
        return
    terminal.result(
        series_text(
            record, layer=layer, step=step, statistic=statistic, options=terminal.options()
        ).rstrip("\n")
    )
