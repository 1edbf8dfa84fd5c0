"""Write the measured numbers as CSV or Parquet, one row per step, layer and statistic."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import completion, options


@click.command()
@options.report_argument
@click.option(
    "--format",
    "form",
    type=click.Choice(["csv", "parquet"]),
    default="csv",
    show_default=True,
    help="Parquet needs the package pyarrow.",
)
@click.option(
    "--statistic",
    "statistics",
    multiple=True,
    metavar="NAME",
    shell_complete=completion.statistics,
    help="Only this one, for example delta_rms or loss; may be repeated.",
)
@click.option(
    "-o",
    "--output",
    type=options.NamedPath(),
    metavar="FILE",
    help="Write to FILE (default: stdout, for csv).",
)
def command(
    directory: Path, *, form: str, statistics: tuple[str, ...], output: Path | None
) -> None:
    """Write the numbers of DIRECTORY: the columns are step, layer, statistic, value.

    What was not measured has no row. TensorFlow is not needed.
    """
    from gradscope.cli import terminal
    from gradscope.errors import BadRequest
    from gradscope.record.files import output_file
    from gradscope.reporters import export
    from gradscope.workflows.analysis import load_record, report_files

    if output is not None:
        output_file.check_outputs([output], report_files(directory))
    record = load_record(directory)
    chosen = statistics or None
    if form == "parquet":
        if output is None:
            raise BadRequest("Parquet is binary", "name a file: --output numbers.parquet")
        export.write_parquet(record, output, statistics=chosen)
    elif output is not None:
        export.write_csv(record, output, statistics=chosen)
    else:
        for text in export.csv_texts(record, statistics=chosen):
            terminal.result(text, end="")
