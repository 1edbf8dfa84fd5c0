"""Write docs/reliability.md: every fault is provoked, and the page says what came of it.

``python -m scripts.make_reliability_page`` takes two minutes. As root on Linux no fault is skipped.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from pathlib import Path

from tests.cli.forking import Forking
from tests.provocations.bad_inputs import bad_inputs
from tests.provocations.provocation import Provocation, missing, provoke
from tests.provocations.table import PROVOCATIONS
from tests.provocations.test_bad_inputs import refuse

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
HEAD = """\
# Faults, and what came of them

Written by `python -m scripts.make_reliability_page`, which provokes each fault and looks at what
is left. The rows are in `tests/provocations/`; the same rows are tests.

A result that is complete is on disk before anything of an earlier one is removed. What can be
refused is refused before anything is measured, with exit code 2. Exit codes: `gradscope --help`.
Words: [notation.md](notation.md).
"""


def page() -> str:
    """The text of the page, after every fault was provoked."""
    parts = [HEAD]
    for kind, rows in itertools.groupby(PROVOCATIONS, key=lambda row: row.kind):
        lines = [f"| {row.fault} | {row.code} | {_result(row)} |" for row in rows]
        parts.append(f"## {kind}\n\n| fault | exit code | result |\n|---|---|---|\n")
        parts[-1] += "\n".join(lines) + "\n"
    parts.append(_bad_inputs())
    return "\n".join(parts)


def _result(row: Provocation) -> str:
    reason = missing(row)
    if reason:
        return f"not tried: {reason}"
    with tempfile.TemporaryDirectory() as folder:
        try:
            provoke(row, Path(folder))
        except AssertionError:
            return "**wrong**"
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
        "## Bad inputs\n\n"
        f"{len(inputs) - len(wrong)} of {len(inputs)} bad configs, data files, model files, "
        "records, baselines and command lines were refused with exit code 2 and one message, "
        "without TensorFlow, in less than 400 MiB, and nothing was written." + listed + "\n"
    )


if __name__ == "__main__":
    os.environ.setdefault("LANG", "C.UTF-8")
    PAGE.write_text(page(), encoding="utf-8")
