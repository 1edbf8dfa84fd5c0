"""Write docs/chapter.ipynb: the statements of docs/chapter.md, with cells that measure them.

Run it from the repository: ``python -m scripts.make_chapter_notebook`` (nothing is trained).
tests/test_chapter_notebook.py runs its cells.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from scripts.chapter import STATEMENTS
from scripts.chapter.statement import Run, Statement

_WIDTH = 100
NOTEBOOK = Path(__file__).parents[1] / "docs" / "chapter.ipynb"

_HEAD = """# The chapter's statements, measured

The statements of [chapter.md](chapter.md), which explains where expected values and bounds come
from. Each cell measures networks and shows them beside closed forms: change a config, a key or a
seed, and run it again. Symbols and words: [notation.md](notation.md).

`measure(config, *changes)` takes the keys that `gradscope run -s` takes; with `start=True` it
measures the network as initialised and trains nothing. All cells take about a minute.

Written by `scripts/make_chapter_notebook.py`."""

_SETUP = """import sys
from pathlib import Path

folders = (Path.cwd(), *Path.cwd().parents)
root = next(folder for folder in folders if (folder / "configs" / "chapter").is_dir())
sys.path.insert(0, str(root))"""

_IMPORT = "from scripts.chapter.notebook import measure, show"


def notebook() -> dict[str, Any]:
    """The notebook, without outputs."""
    cells = [_markdown("head", _HEAD), _code("setup", _SETUP), _code("import", _IMPORT)]
    for position, statement in enumerate(STATEMENTS, 1):
        text = f"## {position}. {statement.title}\n\n{statement.text}"
        cells += [
            _markdown(f"statement-{position}", text),
            _code(f"runs-{position}", _runs(position, statement)),
        ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _runs(position: int, statement: Statement) -> str:
    lines = [_entry(label, run) for label, run in statement.runs.items()]
    return "\n".join(["runs = {", *lines, "}", f"show({position}, runs)"])


def _entry(label: str, run: Run) -> str:
    """A run of the mapping, as `ruff format` writes it."""
    arguments = _arguments(run)
    line = f"    {_text(label)}: measure({', '.join(arguments)}),"
    if len(line) <= _WIDTH:
        return line
    inside = "".join(f"        {argument},\n" for argument in arguments)
    return f"    {_text(label)}: measure(\n{inside}    ),"


def _arguments(run: Run) -> list[str]:
    arguments = [_text(run.config), *map(_text, run.changed)]
    if run.seeds > 1:
        arguments.append(f"seeds={run.seeds}")
    if run.start:
        arguments.append("start=True")
    return arguments


def _text(value: str) -> str:
    return json.dumps(value)


def _markdown(name: str, text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": _source(text)}


def _code(name: str, text: str) -> dict[str, Any]:
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": name,
        "metadata": {},
        "outputs": [],
        "source": _source(text),
    }


def _source(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def rendered() -> str:
    """The file's text."""
    return json.dumps(notebook(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    NOTEBOOK.write_text(rendered(), encoding="utf-8")
