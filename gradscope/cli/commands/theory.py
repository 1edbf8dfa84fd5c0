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
@click.option(
    "--draws",
    type=click.IntRange(min=8, max=1000),
    metavar="K",
    help="Build the network with TensorFlow and draw its weights K times, for any graph.",
)
@options.trust_model
def command(
    config: str,
    overrides: tuple[str, ...],
    *,
    form: str,
    plot: Path | None,
    seeds: int,
    draws: int | None,
    trust: bool,
) -> None:
    """Predict signal and gradient of CONFIG's network at initialisation, layer by layer.

    With the band in which one initialisation (and the mean over K) lies in 99 of 100 cases, or the
    reason why there is none. TensorFlow is not needed and nothing is trained. With --draws the
    network is built, which needs TensorFlow, and its weights are drawn again: for models of your
    own.
    """
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.reporters.theory import THEORY_FORMS
    from gradscope.theory.forecast import Forecast

    if plot is not None:
        from gradscope.reporters.theory import plot as theory_plot

        theory_plot.check_name(plot, [Path(config)])
    experiment = api.load_config(config, overrides)
    forecast: Forecast
    if draws is None:
        forecast = api.predict(experiment, seeds=seeds)
    else:
        from gradscope.workflows.measuring.engine import Workers
        from gradscope.workflows.predict import predict_by_draws

        engine = Workers(trust_model=trust)
        forecast = predict_by_draws(experiment, engine, draws=draws, seeds=seeds)
    files: tuple[str, ...] = ()
    if plot is not None:
        theory_plot.save(forecast, plot)
        files = (str(plot),)
    terminal.result(THEORY_FORMS[form](forecast, terminal.options(files)).rstrip("\n"))
