"""Write a new config with comments, around a built-in network or a model of your own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from gradscope.cli import options


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
@click.option("--replace", "replace_file", is_flag=True, help="Replace a file that exists.")
def command(
    target: str | None, *, output: Path | None, replace_file: bool, **written: int | str | None
) -> None:
    """Write a new config to FILE (default: network.yaml).

    With MODULE:FUNCTION it is around the Keras model that the function of your module gives, and
    goes to MODULE.yaml. Without options, four questions are asked on a terminal.
    """
    from gradscope.cli import terminal
    from gradscope.errors import BadRequest
    from gradscope.reporters.new_config import NewConfig, written_text
    from gradscope.workflows.new_config import name_of, write_config

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
        if not choices and sys.stdin.isatty() and sys.stdout.isatty():
            choices = _answers()
    new = NewConfig(name_of(path), factory=factory, **choices)
    write_config(new, path, replace_file=replace_file)
    terminal.result(written_text(str(path), trains=bool(factory)))


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
