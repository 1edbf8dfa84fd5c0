"""Write docs/reliability.md: every fault is provoked, and the page says what came of it.

``python -m scripts.make_reliability_page`` takes minutes. As root on Linux no fault is skipped.
With words after it, only the faults and sections that have one of them in their name are tried
again; the page keeps what it says of the others.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from scripts.run_fuzz import RUNS
from tests.cli.forking import Forking
from tests.provocations.bad_inputs import bad_inputs
from tests.provocations.provocation import Provocation, missing, provoke
from tests.provocations.table import PROVOCATIONS
from tests.provocations.test_bad_inputs import refuse
from tests.provocations.test_failing_calls import WRITERS, failures, use_drawn_pictures

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
NOT_TRIED = "not tried: TensorFlow took longer to import than a command may"
HEAD = """\
# Faults, and what came of them

Written by `python -m scripts.make_reliability_page`, which provokes each fault and looks at what
is left. The rows are in `tests/provocations/`; the same rows are tests.

A result that is complete is on disk before anything of an earlier one is removed. What can be
refused is refused before anything is measured, with exit code 2. Exit codes: `gradscope --help`.
Words: [notation.md](notation.md).

Ctrl-C while Python itself starts, before it runs the first line of gradscope, is Python's: it may
show a traceback. Nothing is measured or written by then.
"""


def page(words: Sequence[str] = ()) -> str:
    """The text of the page, after every fault was provoked, or those with one of `words`."""
    earlier = PAGE.read_text(encoding="utf-8") if words else ""
    parts = [HEAD]
    for kind, rows in itertools.groupby(PROVOCATIONS, key=lambda row: row.kind):
        lines = [
            _kept_line(earlier, row.fault, words)
            or f"| {row.fault} | {row.code} | {_result(row)} |"
            for row in rows
        ]
        parts.append(f"## {kind}\n\n| fault | exit code | result |\n|---|---|---|\n")
        parts[-1] += "\n".join(lines) + "\n"
    for title, section in SECTIONS.items():
        parts.append(_kept_section(earlier, title, words) or f"## {title}\n\n{section()}")
    return "\n".join(parts)


def _named(name: str, words: Sequence[str]) -> bool:
    return any(word in name for word in words)


def _kept_line(earlier: str, fault: str, words: Sequence[str]) -> str:
    """The earlier line of a fault that is not tried again; empty where there is none."""
    if _named(fault, words):
        return ""
    start = f"| {fault} | "
    return next((line for line in earlier.splitlines() if line.startswith(start)), "")


def _kept_section(earlier: str, title: str, words: Sequence[str]) -> str:
    """The earlier section of what is not tried again; empty where there is none."""
    head = f"## {title}\n"
    if _named(title, words) or head not in earlier:
        return ""
    body = earlier.partition(head)[2].partition("\n## ")[0]
    return head + body.rstrip("\n") + "\n"


def _result(row: Provocation) -> str:
    reason = missing(row)
    if reason:
        return f"not tried: {reason}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            provoke(row, Path(folder))
        except AssertionError:
            return "**wrong**"
        except subprocess.TimeoutExpired:
            return NOT_TRIED if row.stand_in is None else "**wrong**"
    return "as it should be"


def _bad_inputs() -> str:
    """How many of the bad inputs were refused as they should be."""
    inputs = list(bad_inputs())
    wrong = []
    with tempfile.TemporaryDirectory() as folder:
        forking = Forking(Path(folder))
        for number, item in enumerate(inputs):
            place = Path(folder) / str(number)
            place.mkdir()
            try:
                refuse(item, forking, place)
            except AssertionError:
                wrong.append(item.what)
        forking.close()
    listed = "".join(f"\n- wrong: {what}" for what in wrong)
    return (
        f"{len(inputs) - len(wrong)} of {len(inputs)} bad configs, data files, model files, "
        "records, baselines and command lines were refused with exit code 2 and one message, "
        "without TensorFlow, in less than 400 MiB, and nothing was written." + listed + "\n"
    )


def _failing_calls() -> str:
    """How often each file was written while a call failed, and whether it was old or new then."""
    lines = []
    for name in WRITERS:
        with tempfile.TemporaryDirectory() as place, pytest.MonkeyPatch.context() as patch:
            use_drawn_pictures(patch)
            try:
                tries = str(failures(name, Path(place)))
                result = "the old file or the new one"
            except AssertionError:
                tries, result = "", "**wrong**"
        lines.append(f"| {name} | {tries} | {result} |")
    return (
        "The first call that opens, writes, flushes, renames or removes fails, then the second, "
        "until none is left: that call alone, all later ones too, and by Ctrl-C.\n\n"
        "| file | failures | result each time |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    )


def _fuzz() -> str:
    """What the last `make fuzz` has tried."""
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
        "| input | examples | result |\n|---|---|---|\n" + "\n".join(lines) + "\n"
    )


SECTIONS: Mapping[str, Callable[[], str]] = {
    "Bad inputs": _bad_inputs,
    "A call of the system fails while a file is written": _failing_calls,
    "Random input": _fuzz,
}


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    PAGE.write_text(page(sys.argv[1:]), encoding="utf-8")
