"""Whole processes: what is paid before and around the training."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any

import click

from benchmarks.cases import ROOT
from benchmarks.isolated import environment
from benchmarks.options import Options, Reporter, noting_load
from benchmarks.tables import Table, cell, seconds
from benchmarks.timing import ratio, spread

IMPORTED_ALONG = ("sklearn", "pandas", "matplotlib")
"""What Keras imports where it is installed; without them there is less to save."""

Figure = Callable[[Sequence[str], str], float]
"""``figure(command, device)``: runs a command and gives seconds."""

_CLOCK = "; import time; print('ready', time.process_time())"
PLAIN_IMPORT = "import tensorflow" + _CLOCK
LIGHT_IMPORT = (
    "from gradscope.runner.runtime import import_tensorflow\n"
    "with import_tensorflow.without_optional_packages():\n"
    "    from gradscope.runner import device, workload\n"
    "    from gradscope.runner.loop.training import Experiment\n" + _CLOCK.removeprefix("; ")
)

HELP_ROUNDS = 11
MOST_ROUNDS = 7
"""The processes that start TensorFlow take most of ten seconds each."""


def run(options: Options, report: Reporter) -> list[dict[str, Any]]:
    """Measure the start of TensorFlow, of the command line, and a whole run."""
    parts = {"import": _import, "help": _help, "run": _run}
    entries = []
    for name in options.chosen(parts):
        report(f"processes: {name}")
        entries.append({"case": name} | noting_load(parts[name], options))
    return entries


def _import(options: Options) -> dict[str, Any]:
    """Processor time until TensorFlow is ready: as the worker imports it, and plainly."""
    missing = [name for name in IMPORTED_ALONG if find_spec(name) is None]
    if missing:
        return {"skipped": f"{', '.join(missing)} not installed: install the extra 'bench'"}
    commands = {
        "other": [sys.executable, "-c", PLAIN_IMPORT],
        "gradscope": [sys.executable, "-c", LIGHT_IMPORT],
    }
    return _compared(options, commands, min(MOST_ROUNDS, options.rounds), _ready)


def _help(options: Options) -> dict[str, Any]:
    """Processor time of the command line's help, and of Python doing nothing."""
    commands = {
        "other": [sys.executable, "-c", "pass"],
        "gradscope": [sys.executable, "-m", "gradscope", "--help"],
    }
    rounds = options.rounds if options.quick else HELP_ROUNDS
    return _compared(options, commands, rounds, _processor)


def _run(options: Options) -> dict[str, Any]:
    """Wall time of a whole run, and of a script that does the training by hand."""
    with tempfile.TemporaryDirectory(prefix="gradscope-bench-") as folder:
        config = [str(ROOT / "configs/notebook.yaml"), "--quiet"]
        commands = {
            "other": [sys.executable, "-m", "benchmarks.hand_written"],
            "gradscope": [
                *(sys.executable, "-m", "gradscope", "run", *config),
                *("--output", f"{folder}/notebook"),
            ],
        }
        return _compared(options, commands, min(MOST_ROUNDS, options.rounds), _wall)


def _compared(
    options: Options, commands: Mapping[str, Sequence[str]], rounds: int, figure: Figure
) -> dict[str, Any]:
    """Run both commands in turns, once without counting; gives seconds and their ratio."""
    taken: dict[str, list[float]] = {name: [] for name in commands}
    for place in range(rounds + 1):
        for name, command in commands.items():
            value = figure(command, options.device)
            if place:
                taken[name].append(value)
    return {
        "rounds": rounds,
        "seconds": {name: spread(each) for name, each in taken.items()},
        "ratio": ratio(taken["gradscope"], taken["other"]),
    }


def _finished(command: Sequence[str], device: str) -> str:
    done = subprocess.run(
        command,
        cwd=ROOT,
        env=environment(device),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        tail = "\n  ".join(done.stderr.strip().splitlines()[-12:])
        raise click.ClickException(f"{' '.join(command)} ended with {done.returncode}:\n  {tail}")
    return done.stdout


def _ready(command: Sequence[str], device: str) -> float:
    """Processor time that the process itself tells."""
    return float(_finished(command, device).rpartition("ready")[2])


def _wall(command: Sequence[str], device: str) -> float:
    started = time.perf_counter()
    _finished(command, device)
    return time.perf_counter() - started


def _processor(command: Sequence[str], device: str) -> float:
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    _finished(command, device)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


SHOWN = {
    "import": ("TensorFlow ready, as the worker imports it / `import tensorflow`", "cpu", 0.5),
    "help": ("`gradscope --help` / `python -c pass`", "cpu", 6.0),
    "run": ("`gradscope run configs/notebook.yaml --quiet` / a hand-written script", "wall", 1.1),
}


def tables(results: list[dict[str, Any]]) -> list[Table]:
    """Show each pair."""
    table = Table("Pairs of processes", ("what", "clock", "gradscope", "the other", "ratio"))
    for each in results:
        title, clock, target = SHOWN[each["case"]]
        if "skipped" in each:
            table.row(title, clock, "-", "-", f"skipped: {each['skipped']}")
            continue
        table.row(
            title,
            clock,
            seconds(each["seconds"]["gradscope"]["median"]),
            seconds(each["seconds"]["other"]["median"]),
            cell(each["ratio"], target),
        )
    return [table]
