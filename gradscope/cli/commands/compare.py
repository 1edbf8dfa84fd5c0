"""Compare runs or sweeps: what differs in config, layers and verdicts, and what beyond chance."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import completion, options


def _forms(ctx: click.Context, param: click.Parameter, form: str) -> str:
    del ctx, param
    if form == "text":
        return form
    from gradscope.reporters.compare import COMPARE_FORMS

    return options.one_of(form, COMPARE_FORMS)


@click.command()
@click.argument("paths", nargs=-1, required=True, shell_complete=completion.reports)
@click.option(
    "--format",
    "form",
    callback=_forms,
    default="text",
    metavar="FORM",
    help="What to write: text (default), json, markdown or html.",
)
@click.option(
    "-o",
    "--output",
    type=options.NamedPath(),
    metavar="FILE",
    help="Write to FILE instead of stdout.",
)
@click.option(
    "--plot",
    type=options.NamedPath(),
    metavar="FILE",
    help="Also draw the profiles of the runs over depth into one picture, as .png or .svg.",
)
def command(paths: tuple[str, ...], *, form: str, output: Path | None, plot: Path | None) -> None:
    """Compare two or more of PATHS, each with the first: report folders, records, or sweeps.

    Differences of layers are ratios. Where there are seeds, the statistics of `gradscope check`
    say what differs beyond chance. TensorFlow is not needed.
    """
    from dataclasses import replace

    from gradscope.cli import terminal
    from gradscope.errors import BadRequest
    from gradscope.gate.runs_compared import RunsCompared
    from gradscope.record.files import output_file
    from gradscope.reporters.compare import COMPARE_FORMS
    from gradscope.workflows.analysis import report_files
    from gradscope.workflows.compare import compare

    if plot is not None and plot.suffix.lower() not in (".png", ".svg"):
        raise BadRequest(f"--plot {plot}: expected a file that ends in .png or .svg", "")
    inputs = [file for path in paths for file in report_files(path)]
    output_file.check_outputs([file for file in (plot, output) if file is not None], inputs)
    compared = compare(paths)
    files: tuple[str, ...] = ()
    if plot is not None:
        if not isinstance(compared, RunsCompared):
            raise BadRequest("--plot draws runs, and these are sweeps", "leave it out")
        from gradscope.reporters.compare import profiles

        content = profiles.files(compared)[f"profiles{plot.suffix.lower()}"]
        output_file.write(plot, content)
        files = (str(plot),)
    shown = terminal.options(files)
    if output is not None:
        text = COMPARE_FORMS[form](compared, replace(shown, width=100, color=False))
        output_file.write(output, text.encode())
        return
    terminal.result(COMPARE_FORMS[form](compared, shown).rstrip("\n"))
