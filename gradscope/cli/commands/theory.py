"""Predict signal and gradient of a config's network at initialisation, from theory alone."""

from __future__ import annotations

from pathlib import Path

import click

from gradscope.cli import options


@click.command()
@options.config_argument
@options.overrides
@options.theory_form
@click.option(
    "--plot",
    type=options.NamedPath(),
    metavar="FILE",
    help="Also draw the prediction, as .png or .svg.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=1,
    metavar="K",
    help="Give the band of a geometric mean over K seeds as well.",
)
def command(
    config: str, overrides: tuple[str, ...], *, form: str, plot: Path | None, seeds: int
) -> None:
    """Predict signal and gradient of CONFIG's network at initialisation, layer by layer.

    With the band in which one initialisation (and the mean over K) lies in 99 of 100 cases, or the
    reason why there is none. TensorFlow is not needed and nothing is trained.
    """
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.reporters.theory import THEORY_FORMS

    if plot is not None:
        from gradscope.reporters.theory import plot as theory_plot

        theory_plot.check_name(plot, [Path(config)])
    forecast = api.predict(api.load_config(config, overrides), seeds=seeds)
    files: tuple[str, ...] = ()
    if plot is not None:
        theory_plot.save(forecast, plot)
        files = (str(plot),)
    terminal.result(THEORY_FORMS[form](forecast, terminal.options(files)).rstrip("\n"))
