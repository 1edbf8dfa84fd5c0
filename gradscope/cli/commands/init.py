"""Write a new config with comments, around a built-in network or a model of your own."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from gradscope.cli import options

if TYPE_CHECKING:
    from gradscope.reporters.new_config import NewConfig
    from gradscope.workflows.new_ci_file import CiFile


@click.command()
@click.argument("target", required=False, metavar="[FILE | MODULE:FUNCTION]")
@click.option("--depth", type=int, metavar="N", help="Hidden layers (default 10).")
@click.option("--width", type=int, metavar="N", help="Units of each hidden layer (default 100).")
@click.option("--activation", metavar="NAME", help="Activation (default relu).")
@click.option("--initializer", metavar="NAME", help="Default: the one the activation goes with.")
@click.option(
    "--batch-norm",
    metavar="PLACE",
    help="none (default), before_activation or after_activation.",
)
@click.option("--data", metavar="DATA", help="A data set, a .csv or .npz file, or MODULE:FUNCTION.")
@click.option("-o", "--output", type=options.NamedPath(), metavar="FILE", help="The config.")
@click.option(
    "--ci",
    "cis",
    type=click.Choice(["github", "gitlab"]),
    multiple=True,
    help="Also measure a baseline and write the job that checks it; may be repeated.",
)
@click.option("--replace", "replace_file", is_flag=True, help="Replace a file that exists.")
def command(
    target: str | None,
    *,
    output: Path | None,
    cis: tuple[str, ...],
    replace_file: bool,
    **written: int | str | None,
) -> None:
    """Write a new config to FILE (default: network.yaml).

    With MODULE:FUNCTION it is around the Keras model that the function of your module gives, and
    goes to MODULE.yaml. Without options, four questions are asked on a terminal.

    With --ci, the network is measured for a baseline, and the files of the CI are written beside
    it: all that a gate needs. A config that exists already is used as it is.
    """
    from gradscope.cli import terminal
    from gradscope.errors import BadRequest
    from gradscope.reporters.ci_files import Ci
    from gradscope.reporters.new_config import NewConfig, unnamed_data_text, written_text
    from gradscope.workflows.new_ci_file import plan_ci_file
    from gradscope.workflows.new_config import name_of

    choices: dict[str, Any] = {key: value for key, value in written.items() if value is not None}
    factory = target if target is not None and _is_function(target) else ""
    if factory:
        surplus = sorted(set(choices) - {"data"})
        if surplus:
            option = surplus[0].replace("_", "-")
            raise BadRequest(f"--{option} is not for a model of your own", "leave it out")
        path = output or Path(factory.partition(":")[0].rpartition(".")[2] + ".yaml")
    else:
        path = output or Path(target or "network.yaml")
        if not choices and not cis and sys.stdin.isatty() and sys.stdout.isatty():
            choices = _answers()
    new = NewConfig(name_of(path), factory=factory, **choices)
    files = [plan_ci_file(Ci(ci), path, replace_file=replace_file) for ci in dict.fromkeys(cis)]
    as_it_is = bool(cis) and not replace_file and not choices and not factory and path.is_file()
    if not as_it_is:
        as_it_is = _write_config(new, path, replace_file=replace_file, again=bool(cis))
    if as_it_is:
        terminal.result(f"kept {path} as it is")
    elif cis:
        terminal.result(f"wrote {path}")
    else:
        terminal.result(written_text(str(path), trains=bool(factory)))
    if not cis:
        return
    try:
        _write_gate(path, files, replace_file=replace_file)
    except BadRequest as error:
        if not as_it_is:
            path.unlink(missing_ok=True)  # or the repaired command would be refused
        if factory and "data" not in choices:
            raise BadRequest(error.message, unnamed_data_text(path, new)) from error
        raise


def _write_config(new: NewConfig, path: Path, *, replace_file: bool, again: bool) -> bool:
    """Write the config; `again` lets one stay that says the same, which is returned as true."""
    from gradscope.workflows.new_config import says_the_same, write_config

    if again and not replace_file and says_the_same(new, path):
        return True
    write_config(new, path, replace_file=replace_file)
    return False


def _write_gate(config: Path, files: Sequence[CiFile], *, replace_file: bool) -> None:
    """Measure the baseline where there is none, and write the files of the CI."""
    from functools import partial

    from gradscope.cli import terminal
    from gradscope.cli.progress import Progress
    from gradscope.gate.baselines import baseline_file
    from gradscope.reporters.baseline import baseline_text
    from gradscope.reporters.new_config import gate_text
    from gradscope.workflows.baseline import measure_baseline, write_baseline
    from gradscope.workflows.measuring.engine import Workers
    from gradscope.workflows.measuring.seed_options import SeedOptions

    engine, plan = Workers(deterministic=True), SeedOptions()
    [(source, experiment)] = plan.load_configs([str(config)], ())
    baseline = baseline_file.default_path(source)
    if baseline.exists() and not replace_file:
        terminal.result(f"kept {baseline} as it is")
    else:
        with Progress(quiet=False) as progress:
            measure = partial(measure_baseline, experiment, plan, engine, progress.watch)
            report = write_baseline(baseline, measure, update=replace_file)
        terminal.result(baseline_text(report, terminal.options()).rstrip("\n"))
    for file in files:
        file.write()
    included = [str(file.path) for file in files if file.include]
    paths = [str(path) for path in (config, baseline, *(file.path for file in files))]
    terminal.result(gate_text(paths, included))


def _is_function(target: str) -> bool:
    module, colon, function = target.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), function))


def _answers() -> dict[str, Any]:
    """Ask for what matters most, with the default of each in brackets."""
    return {
        "data": click.prompt("Data set, or a .csv or .npz file", default="fashion_mini"),
        "depth": click.prompt("Hidden layers", default=10, type=int),
        "activation": click.prompt("Activation function", default="relu"),
        "batch_norm": click.prompt(
            "Batch norm",
            default="none",
            type=click.Choice(["none", "before_activation", "after_activation"]),
        ),
    }
