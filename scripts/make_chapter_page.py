"""Write docs/chapter.md and its pictures: what the chapter states, and the configs that show it.

Run it from the repository: ``python scripts/make_chapter_page.py`` (half a minute; it trains every
network that the page names). tests/test_chapter_statements.py holds the same figures to the same
bounds.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))
os.environ["KERAS_BACKEND"] = "tensorflow"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"

from gradscope.record import Finding  # noqa: E402
from gradscope.reporters.layout.numbers import number  # noqa: E402
from scripts.chapter import STATEMENTS, pictures  # noqa: E402
from scripts.chapter.statement import FIRST_SEED, Figure, Run, Statement, findings  # noqa: E402

PAGE = ROOT / "docs" / "chapter.md"

_HEAD = """# The chapter's statements, measured

Written by `scripts/make_chapter_page.py`, which runs every config that the page names.
`tests/test_chapter_statements.py` holds each figure within the bounds given.

gradscope began with a notebook on vanishing and exploding gradients: initialization, activations
that do not saturate, batch normalization. This page states what the notebook states, with the
command that shows it. Symbols and words: [notation.md](notation.md). The same as a notebook, whose
cells measure in one process: [chapter.ipynb](chapter.ipynb).

- Expected values are closed forms (`scripts/chapter/closed_forms.py`), not gradscope's own theory.
- Figures over depth are those of step 0. Where a statement names several seeds, they are geometric
  means over these seeds; the command runs the first seed.
- `--at-init` measures the network as initialised and trains nothing, in a few seconds.
- Figures and pictures show rms values, as every report does. They are the roots of the second
  moments E z^2, E a^2 and E delta^2, for which the statements are derived.
- The bounds allow for the differences between initialisations: about three standard deviations over
  other seeds, or more.
- A picture has one line for each run, of the same steps and seeds as the figures.
"""


def head(statement: Statement) -> str:
    """What the page says of a statement without running anything."""
    return "\n\n".join(
        [f"## {statement.title}", statement.text, *_commands(statement), _image(statement)]
    )


def _commands(statement: Statement) -> list[str]:
    """The commands that no earlier statement shows, and links to those that one does."""
    shown = {run.command: other for other in reversed(STATEMENTS) for run in other.runs.values()}
    runs = list(statement.runs.values())
    new = [run for run in runs if shown[run.command] is statement]
    parts = []
    if new:
        slow = f' slow="{len(shown)} runs, two minutes"' if statement is STATEMENTS[0] else ""
        lines = "\n".join(f"$ {run.command}" for run in new)
        parts.append(f"```console{slow}\n{lines}\n```")
    earlier = dict.fromkeys(shown[run.command].title for run in runs if run not in new)
    links = " and ".join(f"[{title}](#{_anchor(title)})" for title in earlier)
    if links:
        parts.append(f"{'Compare with' if new else 'It is shown by'} the runs of {links}.")
    if any(run.seeds > 1 for run in runs):
        parts.append(_seeds(statement.runs))
    return parts


def _seeds(runs: Mapping[str, Run]) -> str:
    ranges = {label: f"{FIRST_SEED} to {FIRST_SEED + run.seeds - 1}" for label, run in runs.items()}
    if len(set(ranges.values())) == 1:
        return f"Seeds: {next(iter(ranges.values()))}."
    return f"Seeds: {', '.join(f'{seeds} ({label})' for label, seeds in ranges.items())}."


def _anchor(title: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def _image(statement: Statement) -> str:
    return f"![{', '.join(panel.title for panel in statement.panels)}]({statement.picture})\n"


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
    messages = [line for run in statement.runs.values() for line in _messages(run)]
    return "\n".join([head(statement), table, *messages])


def _messages(run: Run) -> list[str]:
    """The first words of each finding that the run is there for."""
    by_detector = findings(run)
    changes = " ".join(run.changed)
    with_changes = f" with `{changes}`" if changes else ""
    return [
        f"`{name}`{with_changes}: {_message(by_detector[name][0])}\n" for name in run.with_findings
    ]


def _message(finding: Finding) -> str:
    return f"{finding.message} {finding.details}".rstrip()


def page() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *(section(statement) for statement in STATEMENTS)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    for each in STATEMENTS:
        picture = PAGE.parent / each.picture
        picture.parent.mkdir(exist_ok=True)
        picture.write_bytes(pictures.svg(each))
