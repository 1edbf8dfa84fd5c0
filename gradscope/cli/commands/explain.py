"""Explain a verdict: what it measures, when it fires, and where its threshold comes from."""

from __future__ import annotations

import click


@click.command()
@click.argument("verdict", required=False)
def command(verdict: str | None) -> None:
    """Explain VERDICT, a code such as GS101 or a name such as vanishing_gradient.

    Without one, list them all.
    """
    from gradscope import api
    from gradscope.cli import terminal

    terminal.result(api.explain(verdict) if verdict else api.list_detectors())
