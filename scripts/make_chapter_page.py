"""Write docs/chapter.md: what the chapter states, the configs that show it, and what is seen.

Run it from the repository: ``python scripts/make_chapter_page.py`` (half a minute; it trains every
network it speaks of). tests/test_chapter_statements.py holds the same figures to the same bounds.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

from gradscope.reporters.layout.numbers import number  # noqa: E402
from scripts.chapter import STATEMENTS  # noqa: E402
from scripts.chapter.statement import FIRST_SEED, Figure, Run, Statement, findings  # noqa: E402

PAGE = ROOT / "docs" / "chapter.md"

_HEAD = """# The chapter's statements, shown

Written by `scripts/make_chapter_page.py`, which runs every config it names;
`tests/test_chapter_statements.py` holds each figure within the bounds given.

gradscope grew from a notebook on vanishing and exploding gradients: initialization, activations
that do not saturate, batch normalization. Here is what it states, and how to see it. Expected
values are closed forms (`scripts/chapter/closed_forms.py`), not gradscope's own theory. Figures
over depth are those of step 0, geometric means over the seeds where there are several; a command
shows the first of them, and trains on. z is what an activation receives, a what it gives, delta =
dL/dz. The bounds leave room for what initialisations differ by, about three standard deviations
over other seeds or more.
"""


def head(statement: Statement) -> str:
    """What the page says of a statement without running anything."""
    commands = "\n".join(_command(run) for run in statement.runs.values())
    return f"## {statement.title}\n\n{statement.text}\n\n{commands}\n"


def _command(run: Run) -> str:
    last = FIRST_SEED + run.seeds - 1
    seeds = f"  # seeds {FIRST_SEED} to {last}" if run.seeds > 1 else ""
    return f"    {run.command}{seeds}"


def row(figure: Figure) -> str:
    """One figure as a row of a table."""
    expected, measured = figure.expected, number(figure.measured)
    if isinstance(expected, str):
        return f"| {figure.what} | {expected} | {measured} | |"
    bounds = f"{number(figure.low)} to {number(figure.high)}"
    return f"| {figure.what} | {number(expected)} | {measured} | {bounds} |"


def section(statement: Statement) -> str:
    """A statement with everything that is seen of it."""
    rows = "\n".join(row(figure) for figure in statement.figures())
    table = f"| figure | expected | measured | agrees within |\n|---|---|---|---|\n{rows}\n"
    told = [line for run in statement.runs.values() for line in _told(run)]
    return "\n".join([head(statement), table, *told])


def _told(run: Run) -> list[str]:
    """The first words of each finding that the run is there for."""
    found = findings(run)
    changes = " ".join(run.changed)
    with_changes = f" with `{changes}`" if changes else ""
    return [f"`{name}`{with_changes}: {found[name][0].message}\n" for name in run.found]


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(section(statement) for statement in STATEMENTS)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
