"""List the layers of a config's model, and which of them would be measured."""

from __future__ import annotations

import click

from gradscope.cli import options


@click.command()
@options.config_argument
@options.overrides
@options.survey_form
@options.trust_model
def command(config: str, overrides: tuple[str, ...], *, form: str, trust: bool) -> None:
    """List the layers of CONFIG's model in depth order: measured, or the reason why not.

    The model is built, and not trained.
    """
    from gradscope import api
    from gradscope.cli import terminal
    from gradscope.reporters.survey import SURVEY_FORMS

    experiment = api.load_config(config, overrides)
    layers = api.survey(experiment, trust=trust)
    text = SURVEY_FORMS[form](experiment.name, layers, terminal.options())
    terminal.result(text.rstrip("\n"))
