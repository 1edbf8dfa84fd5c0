"""Check configs for CI: exit 1 when gradients are unhealthy, or worse than their baseline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from gradscope.cli import check_forms, options


@click.command()
@click.argument("configs", nargs=-1, required=True)
@options.overrides
@click.option(
    "--baseline",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Compare with this baseline (default: the config's *.baseline.json where there is one).",
)
@click.option(
    "--no-baseline",
    "use_baseline",
    flag_value=False,
    default=True,
    help="Compare with nothing, baseline or not.",
)
@options.at_init
@options.steps
@options.seeds
@options.trained_seeds
@click.option(
    "--strict-environment",
    is_flag=True,
    help="Exit 4 when the baseline was measured in another environment.",
)
@click.option(
    "--format",
    "forms",
    callback=check_forms.read,
    multiple=True,
    metavar="FORM[=FILE]",
    help=f"{check_forms.names()} (default: text), to stdout or to a file; may be repeated.",
)
@click.option(
    "-j",
    "--jobs",
    type=click.IntRange(1),
    metavar="N",
    help="Configs measured side by side (default: one per core).",
)
@options.output
@options.force
@options.quiet
@options.trust_model
def command(
    configs: tuple[str, ...],
    overrides: tuple[str, ...],
    *,
    forms: tuple[check_forms.Destination, ...],
    **asked: Any,
) -> None:
    """Measure every config of CONFIGS and say whether its gradients are healthy, and as before.

    Exits 0 when all checks pass, 1 when one fails, 4 when one cannot tell; of several configs the
    worst counts. Without a baseline the verdicts and theory decide; with one the network is
    compared too: seed for seed at initialisation, statistically after training.
    """
    from gradscope.cli import checking
    from gradscope.errors import GradscopeError
    from gradscope.gate.exit_codes import worst

    destinations = check_forms.settled(forms)
    to_files = [one for one in destinations if one.file is not None]
    try:
        jobs = checking.jobs_of(configs, overrides, checking.Asked(**asked))
    except GradscopeError as error:
        check_forms.deliver(checking.refused(configs, error), to_files)
        raise
    try:
        checked = checking.check_all(jobs, checking.Asked(**asked))
    except GradscopeError as error:
        told = [checking.not_measured(job, error) for job in jobs]
        check_forms.deliver(told, to_files)
        raise
    check_forms.deliver(checked, destinations)
    raise click.exceptions.Exit(worst(one.exit_code for one in checked))
