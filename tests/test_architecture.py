"""The house keeps its floors, and its files and functions stay short."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from gradscope.runner.sources.known_classes import CLASSES

ROOT = Path(__file__).parents[1]
LONGEST_FILE = 400
LONGEST_FUNCTION = 50
ROOMS = ("gradscope", "tests", "scripts", "benchmarks")
LONGER_FILES = {"tests/reporters/fixtures.py"}
LONGER_FUNCTIONS = {  # tables of cases and of made-up figures, in the tests only
    "tests/analyzer/detectors/cases_of_learning.py:stuck",
    "tests/analyzer/detectors/cases_of_objectives.py:twice_and_divided",
    "tests/analyzer/detectors/cases_of_outputs.py:told_output",
    "tests/analyzer/detectors/cases_of_starts.py:mismatch",
    "tests/analyzer/detectors/cases_of_starts.py:selu",
    "tests/analyzer/detectors/cases_of_starts.py:symmetric",
    "tests/analyzer/detectors/cases_of_training.py:non_finite",
    "tests/analyzer/detectors/cases_of_training.py:unstable",
    "tests/analyzer/detectors/cases_of_units.py:saturated",
    "tests/analyzer/detectors/cases_over_depth.py:_profile",
    "tests/analyzer/synthetic.py:network",
    "tests/analyzer/synthetic.py:record",
    "tests/reporters/fixtures.py:record",
}


@cache
def sources() -> dict[str, str]:
    """The path and the text of every Python file of the repository."""
    return {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
    }


Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(node: ast.AST) -> Iterator[Function]:
    """The functions below a statement, also those in functions, classes and branches."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield child
        if isinstance(child, ast.stmt | ast.excepthandler | ast.match_case):
            yield from functions(child)


def prints(text: str) -> bool:
    """Whether the source calls `print` or `input`."""
    return bool(re.search(r"\b(?:print|input)\s*\(", text)) and any(
        isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("print", "input")
        for node in ast.walk(ast.parse(text))
    )


def test_the_walk_finds_the_sources() -> None:
    found = sources()
    assert "gradscope/cli/main.py" in found
    assert "tests/test_architecture.py" in found
    assert len(found) > 100


def test_files_are_short() -> None:
    long = {path for path, text in sources().items() if len(text.splitlines()) > LONGEST_FILE}
    assert long <= LONGER_FILES


def lines_of(function: Function) -> int:
    """Lines of a function without its docstring, which for a detector is its documentation."""
    first = function.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    assert function.end_lineno is not None
    assert first.end_lineno is not None
    words = first.end_lineno - first.lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - words


def may_hold_a_long_function(text: str) -> bool:
    """Whether two statements of the module are far enough apart; parsing them all takes long."""
    starts = [
        i for i, line in enumerate(text.splitlines()) if re.match(r"(async )?def |class |@", line)
    ]
    ends = [*starts, text.count("\n") + 1][1:]
    return any(end - start > LONGEST_FUNCTION for start, end in zip(starts, ends, strict=True))


def test_functions_are_short() -> None:
    long = {
        f"{path}:{function.name}": lines_of(function)
        for path, text in sources().items()
        if may_hold_a_long_function(text)
        for function in functions(ast.parse(text))
        if lines_of(function) > LONGEST_FUNCTION
    }
    assert set(long) <= LONGER_FUNCTIONS, long


def test_only_the_command_line_prints() -> None:
    """A library that prints cannot be used in a pipe or a notebook."""
    assert prints("def f():\n    return [print(1)]")
    rooms = [path for path in sources() if path.startswith("gradscope/")]
    assert not [
        path for path in rooms if not path.startswith("gradscope/cli/") and prints(sources()[path])
    ]


def test_import_contracts() -> None:
    """The floors and fences of pyproject.toml, as import-linter reads them."""
    program = (
        "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "100"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout
    assert "0 kept" not in done.stdout


LAYER_CLASSES = CLASSES["keras.layers"]
ABOVE_THE_RUNNER = ("theory", "analyzer", "gate", "reporters", "workflows", "integrations", "cli")
MAKE_ROWS = {"gradscope/theory/built_in_layers.py", "gradscope/gate/plan.py"}
"""Modules that write the layers of gradscope's own network, with the names of their classes."""


def layer_classes_named_in(text: str) -> set[str]:
    """The Keras layer classes that are strings in the source, docstrings and sentences apart."""
    tree = ast.parse(text)
    exported = {
        id(item)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        for item in ast.walk(node.value)
    }
    return {
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if node.value in LAYER_CLASSES and id(node) not in exported
    }


def test_layers_are_not_known_by_their_class_names_above_the_runner() -> None:
    """A subclass has another name: the survey sets `LayerInfo.traits` from the objects."""
    assert layer_classes_named_in('if layer.kind in ("Dense", "Mine"): pass') == {"Dense"}
    assert layer_classes_named_in('"""Dense"""\n"a Dense layer"') == {"Dense"}
    rooms = tuple(f"gradscope/{room}/" for room in ABOVE_THE_RUNNER)
    named = {
        path: layer_classes_named_in(text)
        for path, text in sources().items()
        if path.startswith((*rooms, "gradscope/api.py")) and path not in MAKE_ROWS
    }
    assert len(named) > 80
    assert {path: classes for path, classes in named.items() if classes} == {}
