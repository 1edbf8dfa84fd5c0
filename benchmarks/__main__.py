"""``python -m benchmarks``: measure, show, and keep the results the README shows."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import click
from rich.console import Console

from benchmarks import (
    callback_step,
    memory,
    options,
    peers,
    processes,
    run_memory,
    step,
    sweeps,
    sweeps_driver,
    tables,
    tracing,
)
from benchmarks.cases import CASES, ROOT

PARTS: dict[str, ModuleType] = {
    "step": step,
    "tracing": tracing,
    "processes": processes,
    "memory": memory,
    "run_memory": run_memory,
    "callback_step": callback_step,
    "sweeps": sweeps,
    "sweeps_driver": sweeps_driver,
    "peers": peers,
}
NOT_BY_DEFAULT = ("peers", "run_memory", "callback_step", "sweeps", "sweeps_driver")
BY_DEFAULT = tuple(name for name in PARTS if name not in NOT_BY_DEFAULT)
NAMES = [*CASES, *tracing.DEPTHS, *processes.SHOWN, *run_memory.CASES, *callback_step.CASES]
NAMES += [*sweeps.CASES, *sweeps_driver.CASES, *peers.PEERS]
WIDTH = 140
"""Of the tables where no terminal says how wide it is."""

FOLDER = ROOT / "benchmarks"


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.argument("parts", nargs=-1, type=click.Choice(list(PARTS)))
@click.option("--peers", "with_peers", is_flag=True, help="Measure the peers, and nothing else.")
@click.option("--only", multiple=True, metavar="CASE", help=f"One of {', '.join(NAMES)}.")
@click.option("--rounds", type=click.IntRange(2), default=None, help="Default: 9.")
@click.option("--quick", is_flag=True, help="Two short rounds without XLA: to see that it works.")
@click.option("--gpu", is_flag=True, help="On the GPU; the ratios are then of wall time.")
@click.option("--json", "file", type=click.Path(path_type=Path), help="Write the results here.")
@click.option("--readme", is_flag=True, help="Measure nothing: bring the README up to date.")
def main(
    parts: tuple[str, ...],
    *,
    with_peers: bool,
    only: tuple[str, ...],
    rounds: int | None,
    quick: bool,
    gpu: bool,
    file: Path | None,
    readme: bool,
) -> None:
    """Measure PARTS and print their tables.

    Without PARTS: all but peers, run_memory, callback_step, sweeps and
    sweeps_driver.

    A complete measurement on a CPU replaces benchmarks/results/PART.json and the tables of
    benchmarks/README.md; one with --only, --quick, --gpu or fewer than seven rounds goes nowhere
    but to --json.
    """
    if readme:
        update_readme()
        return
    options.refuse_unknown(only, NAMES)
    default = options.QUICK_ROUNDS if quick else options.ROUNDS
    asked = options.Options(rounds or default, quick, gpu, only)
    _warn_when_busy()
    results = {}
    for name in parts or (("peers",) if with_peers else BY_DEFAULT):
        measured = _measured(name, asked)
        if not measured["results"]:
            continue
        results[name] = measured
        _show(name, measured)
        if file is not None:
            file.write_text(_text(results), encoding="utf-8")
        elif asked.complete:
            kept = FOLDER / "results" / f"{name}.json"
            kept.parent.mkdir(exist_ok=True)
            kept.write_text(_text(measured), encoding="utf-8")
            update_readme()


def _measured(name: str, asked: options.Options) -> dict[str, Any]:
    started = time.monotonic()

    def report(sentence: str) -> None:
        click.echo(f"{time.monotonic() - started:4.0f} s  {sentence}", err=True)

    conditions = options.conditions(asked)
    results = PARTS[name].run(asked, report)
    return {"part": name, **conditions, "results": results}


def _show(name: str, result: dict[str, Any]) -> None:
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    for table in PARTS[name].tables(result["results"]):
        console.print(table.rich())
    console.print(tables.described(result), style="dim", highlight=False)


def _warn_when_busy() -> None:
    load, limit = options.load(), options.busy()
    if load > limit:
        click.echo(
            f"the load average is {load:g}, and above {limit:g} timings disturb each other: wait "
            "until the machine is quiet, or take the ratios as rough",
            err=True,
        )


def update_readme() -> None:
    """Write the tables of the kept results between the marks of the README."""
    readme = FOLDER / "README.md"
    readme.write_text(rendered(readme.read_text(encoding="utf-8")), encoding="utf-8")


def rendered(text: str) -> str:
    """The README with the tables of the results that are kept."""
    sections = {}
    for name, part in PARTS.items():
        file = FOLDER / "results" / f"{name}.json"
        if file.exists():
            result = json.loads(file.read_text(encoding="utf-8"))
            shown = [table.markdown() for table in part.tables(result["results"])]
            sections[name] = "\n".join([tables.described(result), "", *shown])
        else:
            sections[name] = "Not measured yet."
    return tables.filled(text, sections)


def _text(value: Any) -> str:
    return json.dumps(value, indent=1) + "\n"


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
