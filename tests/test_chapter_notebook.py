"""docs/chapter.ipynb is what its script makes, and each of its cells shows its statement."""

from __future__ import annotations

import ast
import json
from typing import Any
from xml.etree import ElementTree

import pytest

from scripts.chapter import STATEMENTS
from scripts.chapter.notebook import Shown
from scripts.make_chapter_notebook import NOTEBOOK, rendered

CELLS: list[dict[str, Any]] = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def test_the_file_is_what_the_script_makes() -> None:
    assert NOTEBOOK.read_text(encoding="utf-8") == rendered(), (
        "run python -m scripts.make_chapter_notebook"
    )
    assert len({cell["id"] for cell in CELLS}) == len(CELLS)
    for cell in CELLS:  # nothing of the machine on which somebody ran it
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def executed(source: str, names: dict[str, Any]) -> Any:
    """Run the source of a cell; gives the value of its last line, as a notebook shows it."""
    *statements, last = ast.parse(source).body
    exec(compile(ast.Module(statements, []), "cell", "exec"), names)
    if isinstance(last, ast.Expr):
        return eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    exec(compile(ast.Module([last], []), "cell", "exec"), names)
    return None


@pytest.mark.long("26 runs")
@pytest.mark.tensorflow
def test_the_cells_run_in_their_order_and_show_what_is_stated(tensorflow_once: Any) -> None:
    sources = ["".join(cell["source"]) for cell in CELLS if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    shown = [value for source in sources if (value := executed(source, names)) is not None]
    assert len(shown) == len(STATEMENTS)

    for statement, item in zip(STATEMENTS, shown, strict=True):
        assert isinstance(item, Shown)
        assert len(item.figures) == len(statement.figures())
        assert all(figure.holds for figure in item.figures), item
        names = sorted(name for run in statement.runs.values() for name in run.with_findings)
        assert sorted(message.split(" (")[0] for message in item.messages) == names
        assert ElementTree.fromstring(item.svg).tag.endswith("svg")
        page = item._repr_html_()
        assert page.count("<tr>") == 1 + len(item.figures)
        assert "<td>no</td>" not in page
        assert len(repr(item).splitlines()) == len(item.figures) + len(item.messages)
