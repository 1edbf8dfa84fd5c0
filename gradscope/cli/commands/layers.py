"""List the layers of a config's model, and which of them would be measured."""

from __future__ import annotations

import click

from gradscope.cli import options


@click.command()
@click.argument("config")
@options.overrides
@options.form
@options.trust_model
def command(config: str, overrides: tuple[str, ...], *, form: str, trust: bool) -> None:
    """List the layers of CONFIG's model in depth order: measured, or the reason why not.

    The model is built, and not trained.
    """
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.reporters.survey import survey_json, survey_text

    experiment = api.load_config(config, overrides)
    layers = api.survey(experiment, trust=trust)
    if form == "json":
        terminal.result(survey_json(experiment.name, layers))
    else:
        terminal.result(survey_text(experiment.name, layers, terminal.options()).rstrip("\n"))
