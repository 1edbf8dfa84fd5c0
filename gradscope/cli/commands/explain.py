"""Explain a verdict, an activation, an initializer, a statistic or a config key."""

from __future__ import annotations

import click

from gradscope.cli import completion


@click.command()
@click.argument("term", required=False, shell_complete=completion.terms)
def command(term: str | None) -> None:
    """Explain TERM: GS101, 101, "dead units", relu, he_normal, delta, momentum, ...

    It is a verdict by code or name, an activation, an initializer, a statistic, or a key of the
    config. Without TERM, list all verdicts.
    """
    from gradscope import api
    from gradscope.cli import terminal

    terminal.result(api.explain(term) if term else api.list_detectors())
