"""Measure many networks of one config: every value of some keys, as one table and its pictures."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from gradscope.cli import options
from gradscope.cli.sweep_options import Shard

if TYPE_CHECKING:
    from gradscope.config.sweep.members import SweepPlan
    from gradscope.record.sweep_table import Look
    from gradscope.reporters.sweep.plan_text import SweepCost


@click.command()
@options.config_argument
@options.overrides
@click.option(
    "--vary",
    multiple=True,
    metavar="KEY=V1,V2",
    help="An axis, for example --vary model.depth=5,10,20 or "
    "--vary 'training.learning_rate={log: [1e-4, 1], num: 9}'; may be repeated.",
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), metavar="K", help="Seeds of each combination."
)
@click.option("--theory", is_flag=True, help="Theory alone: no TensorFlow, nothing is measured.")
@click.option("--at-init", is_flag=True, help="Measure the networks as drawn; no training.")
@click.option("--dry-run", is_flag=True, help="List the members, and measure nothing.")
@click.option(
    "-o",
    "--output",
    type=options.NamedPath(),
    metavar="DIR",
    help="Folder for the table (default: reports/<name>.sweep).",
)
@click.option("--fresh", is_flag=True, help="Measure every member again, also finished ones.")
@click.option(
    "--workers",
    type=click.IntRange(1, 256),
    metavar="N",
    help="Worker processes (default: one per core).",
)
@click.option(
    "--shard", type=Shard(), metavar="I/N", help="Only the I-th of N parts; `gradscope merge`."
)
@click.option(
    "--engine",
    default="local",
    show_default=True,
    metavar="NAME",
    help="Where members are measured: local, ray, ray://HOST:PORT, or slurm.",
)
@options.timeout
@options.trust_model
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "csv"]),
    default="text",
    help="What to write to stdout: text (default), sweep.json as json, or the table as csv.",
)
@options.quiet
@options.exit_code
def command(
    config: str,
    overrides: tuple[str, ...],
    *,
    vary: tuple[str, ...],
    seeds: int | None,
    theory: bool,
    at_init: bool,
    dry_run: bool,
    output: Path | None,
    fresh: bool,
    workers: int | None,
    shard: tuple[int, int] | None,
    engine: str,
    timeout: float | None,
    trust: bool,
    form: str,
    quiet: bool,
    gate: bool,
) -> None:
    """Measure every member of the sweep that CONFIG describes, and compare them.

    The axes stand in the config's `sweep` section, or after --vary. A finished member is on disk at
    once: the same command goes on where it stopped. Exits 0 when every member was measured,
    whatever the verdicts; with --exit-code verdicts and budgets (`expect`) count.
    """
    from gradscope.cli import streams, terminal
    from gradscope.cli.sweep_progress import SweepDisplay
    from gradscope.reporters.sweep.forms import render
    from gradscope.workflows.sweep import command as workflow
    from gradscope.workflows.sweep.sweep import load_plan

    look = _look(theory=theory, at_init=at_init, gate=gate)
    plan = load_plan(config, overrides, vary, seeds)
    if dry_run:
        _show_plan(plan, workflow.measured_cost(plan, look, shard, output))
        return
    with SweepDisplay(quiet=quiet) as display:
        written = workflow.run_sweep(
            plan,
            look,
            output=output,
            fresh=fresh,
            workers=workers,
            shard=shard,
            engine=engine,
            timeout=timeout,
            trust=trust,
            gate=gate,
            watch=display.watch,
        )
    if not quiet:
        streams.say(f"written to {written.folder}")
    terminal.result(render(written.table, form, terminal.options(written.files)).rstrip("\n"))
    raise click.exceptions.Exit(written.exit_code)


def _show_plan(plan: SweepPlan, cost: SweepCost) -> None:
    from gradscope.cli import terminal
    from gradscope.reporters.sweep.plan_text import plan_text

    terminal.result(plan_text(plan, cost, terminal.options()).rstrip("\n"))


def _look(*, theory: bool, at_init: bool, gate: bool) -> Look:
    from gradscope.record.sweep_table import Look

    if not theory:
        return Look.AT_INIT if at_init else Look.TRAINED
    for option, given in {"--at-init": at_init, "--exit-code": gate}.items():
        if given:
            raise click.UsageError(f"--theory measures nothing: it does not go with {option}")
    return Look.THEORY
