"""Prove that measuring twice gives the same bytes here, and show what the figures depend on."""

from __future__ import annotations

import click

from gradscope.cli import options


@click.command()
@click.argument("config", required=False)
@options.overrides
@options.trust_model
def command(config: str | None, overrides: tuple[str, ...], *, trust: bool) -> None:
    """Measure CONFIG (default: a small network of gradscope's own) in three processes.

    Two of them have the settings of `gradscope check` and must agree in every byte: exit 0. If they
    do not, no baseline can be compared exactly on this machine: exit 3. The third has another
    number of threads, and shows how far figures move under another fingerprint.
    """
    from gradscope.cli import doctoring

    doctoring.examine(config, overrides, trust=trust)
