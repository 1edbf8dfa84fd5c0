"""Check configs for CI: exit 1 when gradients are unhealthy, or worse than their baseline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradscope.cli import check_forms, completion, options

if TYPE_CHECKING:
    from gradscope.gate.check import Checked
    from gradscope.workflows.measuring.seed_options import SeedOptions


@click.command()
@click.argument("configs", nargs=-1, shell_complete=completion.configs)
@options.overrides
@click.option(
    "--baseline",
    type=options.NamedPath(),
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
@options.seed_options
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
@options.quiet
@options.timeout
@options.trust_model
def command(
    configs: tuple[str, ...],
    overrides: tuple[str, ...],
    *,
    forms: tuple[check_forms.Destination, ...],
    seed_options: SeedOptions,
    jobs: int | None,
    quiet: bool,
    timeout: float | None,
    trust: bool,
    **settings: Any,
) -> None:
    """Measure every config of CONFIGS and say whether its gradients are healthy, and as before.

    Without CONFIGS, those of this folder and of configs/ that have a baseline beside them.

    Exits 0 when all checks pass, 1 when one fails, 4 when one cannot tell; of several configs the
    worst counts. Without a baseline the verdicts and theory decide; with one the network is
    compared too: seed for seed at initialisation, statistically after training.
    """
    from gradscope import exit_codes
    from gradscope.cli import streams
    from gradscope.cli.progress import Progress
    from gradscope.errors import GradscopeError
    from gradscope.workflows import check
    from gradscope.workflows.measuring.engine import Workers

    configs = configs or check.configs_with_baseline()
    engine = Workers(timeout=timeout, trust_model=trust, deterministic=True)
    destinations = check_forms.with_stdout(forms)
    check_forms.check_files(destinations, map(Path, configs))
    to_files = [destination for destination in destinations if destination.file is not None]
    try:
        planned = check.plan_jobs(configs, overrides, seed_options, engine, **settings)
    except GradscopeError as error:
        check_forms.deliver(check.refused(configs, error), to_files)
        raise
    check_forms.check_files(destinations, check.read_files(planned))
    several = len(planned) > 1

    def show_finished(checked: Checked, number: int) -> None:
        if several and not quiet:
            streams.say(f"{checked.outcome}: {checked.source} ({number} of {len(planned)})")

    try:
        with Progress(quiet=quiet or several) as progress:
            results = check.check_all(
                planned, engine, progress.watch, most=jobs, finished=show_finished
            )
    except check.StoppedCheck as error:
        check_forms.deliver(error.results, to_files)
        raise
    except GradscopeError as error:
        check_forms.deliver([check.not_measured(job, error) for job in planned], to_files)
        raise
    check_forms.deliver(results, destinations)
    raise click.exceptions.Exit(exit_codes.worst(checked.exit_code for checked in results))
