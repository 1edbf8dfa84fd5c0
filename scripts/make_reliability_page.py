"""Write docs/reliability.md from what came of each fault when the tests provoked it.

``python -m scripts.make_reliability_page`` runs the tests of `tests/provocations/` (minutes), keeps
what came of each fault in `outcomes.json` there, and writes the page from that file. As root on
Linux no fault is skipped. Words after it are options for pytest, as in ``-k gallery``: only those
tests run, and the others keep what is known of them; ``--no-run`` runs none.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from scripts.run_fuzz import RUNS
from tests.provocations import outcomes
from tests.provocations.bad_inputs import bad_inputs
from tests.provocations.outcomes import Outcome
from tests.provocations.table import PROVOCATIONS
from tests.provocations.test_failing_calls import WRITERS

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "reliability.md"
TESTS = "tests/provocations"
HEAD = """\
# Faults, and what came of them

Each line is of a test in `tests/provocations/`, which provokes the fault and looks at what is left.
`python -m scripts.make_reliability_page` runs them and writes this page from what they found.

A result that is complete is on disk before anything of an earlier one is removed. What can be
refused is refused before anything is measured, with exit code 2. Exit codes: `gradscope --help`.
Words: [notation.md](notation.md).

A number such as O09 is that of a provocation that went wrong in the first search for faults: 347
were tried, and 71 went wrong. Its log names 65 of them by number, and each of these has a line
here; six it does not name. What it tells in words alone has lines too.

Ctrl-C while Python itself starts, before it runs the first line of gradscope, is Python's: it may
show a traceback (S20). Nothing is measured or written by then.
"""
UNKNOWN = Outcome("", 0, untried="not tried yet")


def page(known: Mapping[str, Outcome]) -> str:
    """The text of the page, from the outcomes of the tests."""
    parts = [HEAD]
    for kind, rows in itertools.groupby(PROVOCATIONS, key=lambda row: row.kind):
        lines = [
            f"| {row.fault} | {row.codes} | {row.code} | {_tries(known, row.fault)} |"
            for row in rows
        ]
        head = "| fault | number | exit code | tries | result |\n|---|---|---|---|---|\n"
        parts.append(f"## {kind}\n\n{head}" + "\n".join(lines) + "\n")
    parts += [f"## {title}\n\n{section(known)}" for title, section in SECTIONS.items()]
    return "\n".join(parts)


def _tries(known: Mapping[str, Outcome], fault: str, right: str = "as it should be") -> str:
    outcome = known.get(fault, UNKNOWN)
    if not outcome.tries:
        return f"0 | {outcome.untried}"
    return f"{outcome.tries} | {f'**wrong** {outcome.wrong} times' if outcome.wrong else right}"


def _table(known: Mapping[str, Outcome], head: str, start: str, names: Iterable[str]) -> str:
    right = "refused" if "input" in start else "the old file or the new one"
    lines = [f"| {name} | {_tries(known, start + name, right)} |" for name in names]
    return f"| {head} | tries | result |\n|---|---|---|\n" + "\n".join(lines) + "\n"


def _bad_inputs(known: Mapping[str, Outcome]) -> str:
    """How many of the bad inputs were refused as they should be."""
    kinds = dict.fromkeys(item.kind for item in bad_inputs())
    return (
        "Refused: with exit code 2 and one message, without a traceback or control characters, "
        "without TensorFlow, in less than 400 MiB, and nothing was written. A bad config takes "
        "less than 18 times the processor time of `import numpy` (`tests/test_imports.py`): about "
        "1 s on two cores that were busy.\n\n" + _table(known, "bad input", "bad input: ", kinds)
    )


def _failing_calls(known: Mapping[str, Outcome]) -> str:
    """How often each file was written while a call failed, and whether it was old or new then."""
    return (
        "The first call that opens, writes, flushes, renames or removes fails, then the second, "
        "until none is left: that call alone, all later ones too, and by Ctrl-C.\n\n"
        + _table(known, "file", "failing call: ", WRITERS)
    )


def _fuzz(known: Mapping[str, Outcome]) -> str:
    """What the last `make fuzz` has tried."""
    del known
    runs = json.loads(RUNS.read_text(encoding="utf-8")) if RUNS.exists() else {}
    lines = [
        f"| {name.removeprefix('test_').replace('_', ' ')} | {run['examples']:,} "
        f"| {'no crash' if run['passed'] else '**wrong**'} |"
        for name, run in runs.items()
    ]
    total = sum(run["examples"] for run in runs.values() if run["passed"])
    return (
        f"`make fuzz` made {total:,} examples without a crash in its last run: random trees of "
        "YAML, changed configs, and baselines and records with changed bytes. The tests make some "
        "hundreds each time.\n\n"
        "| input | tries | result |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    )


SECTIONS: Mapping[str, Callable[[Mapping[str, Outcome]], str]] = {
    "Bad inputs": _bad_inputs,
    "A call of the system fails while a file is written": _failing_calls,
    "Random input": _fuzz,
}


def run_tests(options: Sequence[str]) -> None:
    """Run the tests, and keep what came of each fault that they provoked."""
    with tempfile.TemporaryDirectory() as folder:
        lines = Path(folder) / "outcomes"
        lines.touch()
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", TESTS, *options]
        variables = {**os.environ, outcomes.VARIABLE: str(lines)}
        subprocess.run(command, cwd=ROOT, env=variables, check=False)
        new = outcomes.read(lines.read_text(encoding="utf-8").splitlines())
    named = names()
    known = outcomes.kept() | new
    outcomes.keep({fault: outcome for fault, outcome in known.items() if fault in named})


def names() -> set[str]:
    """The name of every fault that has a line."""
    return {
        *(row.fault for row in PROVOCATIONS),
        *(f"bad input: {item.kind}" for item in bad_inputs()),
        *(f"failing call: {name}" for name in WRITERS),
    }


if __name__ == "__main__":
    if sys.argv[1:] != ["--no-run"]:
        run_tests(sys.argv[1:])
    PAGE.write_text(page(outcomes.kept()), encoding="utf-8")
