"""Check that measuring twice gives the same bytes on this machine, and show its environment."""

from __future__ import annotations

import click

from gradscope.cli import completion, options


@click.command()
@click.argument("config", required=False, shell_complete=completion.configs)
@options.overrides
@options.trust_model
def command(config: str | None, overrides: tuple[str, ...], *, trust: bool) -> None:
    """Measure CONFIG (default: a small network of gradscope's own) in three processes.

    Two of them have the settings of `gradscope check` and must agree in every byte: exit 0. If they
    do not, no baseline can be compared exactly on this machine: exit 3. The third has another
    number of threads, and shows how far figures move under another fingerprint.
    """
    from gradscope.cli import streams, terminal
    from gradscope.errors import CouldNotMeasure
    from gradscope.gate.repeatability import PROVING_CONFIG
    from gradscope.reporters.doctor import doctor_text
    from gradscope.workflows.doctor import examine
    from gradscope.workflows.measuring.engine import Workers
    from gradscope.workflows.measuring.inputs import load_config

    experiment = load_config(config or PROVING_CONFIG, overrides)
    streams.say(f"measuring {experiment.name} in three processes ...")
    report = examine(experiment, Workers(trust_model=trust, deterministic=True))
    terminal.result(doctor_text(report, terminal.options()).rstrip("\n"))
    if not report.repeats:
        raise CouldNotMeasure(
            "two runs with the same settings gave different bytes",
            "compare with --strict-environment off, and look for randomness without a seed in the "
            "model's or the data's code",
        )
