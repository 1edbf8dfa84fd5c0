"""Whether the files and functions that a config names exist; nothing of them is executed."""

from __future__ import annotations

import ast
import contextlib
import importlib
import importlib.util
import sys
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from typing import Any

from gradscope.config.document.document import Document, source_name
from gradscope.config.document.tree_path import TreePath
from gradscope.config.sections.data import USER_DATA
from gradscope.message_text import did_you_mean, nearest_name, sanitise

_LISTED_NAMES = 8


def report_missing_user_code(values: Mapping[str, Any], folder: Path, document: Document) -> None:
    """Report files that are not there, and factories whose function cannot be located.

    `values` is a config as read, with or without mistakes; `folder` is where it was written. The
    source of a factory's module is parsed, not imported. What only running it could tell, such as
    names that come from `import *`, counts as existing.
    """
    model, data = values.get("model") or {}, values.get("data") or {}
    if isinstance(model.get("keras_file"), str):
        _report_file(Path(model["keras_file"]), ("model", "keras_file"), document)
    if isinstance(model.get("factory"), str):
        _report_factory(model["factory"], folder, ("model", "factory"), document)
    parameters, user_data = data.get("parameters", {}), data.get("name") == USER_DATA
    if user_data and isinstance(parameters.get("factory"), str):
        _report_factory(parameters["factory"], folder, ("data", "factory"), document)
    if not user_data and isinstance(parameters.get("path"), str):
        _report_file(Path(parameters["path"]), ("data", "path"), document)


def _report_file(file: Path, path: TreePath, document: Document) -> None:
    try:
        if file.is_file():
            return
        if file.exists():
            kind = "a folder, not a file" if file.is_dir() else "not a regular file"
            document.report(path, f"{source_name(file)} is {kind}")
            return
        beside = [item.name for item in file.parent.iterdir() if item.suffix == file.suffix]
    except (OSError, ValueError):
        beside = []
    near = nearest_name(file.name, beside)
    remedy = f"did you mean '{source_name(file.parent / near)}'?" if near else "check the path"
    document.report(path, f"there is no file {source_name(file)}", remedy)


def _report_factory(factory: str, folder: Path, path: TreePath, document: Document) -> None:
    module, _, name = factory.partition(":")
    try:
        spec = _find_module(module, _folders(folder))
    except _NoModuleError as error:
        document.report(path, str(error), error.remedy)
        return
    if spec is None or not isinstance(spec.loader, SourceFileLoader) or spec.origin is None:
        return
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the user's source, such as an invalid escape
            tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, ValueError, RecursionError, SyntaxError) as error:
        line = f":{error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        reason = sanitise(error.msg if isinstance(error, SyntaxError) else str(error), 200)
        where = f"{source_name(spec.origin)}{line}"
        document.report(path, f"{where} cannot be read as Python: {reason}")
        return
    missing = _find_missing(tree, module, name)
    if missing is not None:
        document.report(path, f"{missing.holder} has no {missing.name}", missing.remedy)


class _NoModuleError(Exception):
    """No module has this name."""

    def __init__(self, module: str, remedy: str) -> None:
        super().__init__(f"there is no module {module}")
        self.remedy = remedy


def _folders(folder: Path) -> list[str]:
    """Give the folders of the user's modules: the working directory, then the config's."""
    folders = [str(folder)]
    with contextlib.suppress(OSError):  # the working directory may have been deleted
        folders.insert(0, str(Path.cwd()))
    return list(dict.fromkeys(folders))


def _find_module(module: str, folders: list[str]) -> ModuleSpec | None:
    """Find where a module is, without importing its packages; None if only an import can tell."""
    importlib.invalidate_caches()
    top, *inner = module.split(".")
    spec = PathFinder.find_spec(top, folders)
    if spec is None:
        try:
            spec = importlib.util.find_spec(top)
        except ValueError:  # a module without a spec, such as __main__
            return None
    if spec is None:
        raise _NoModuleError(
            top,
            did_you_mean(top, _modules_in(folders))
            or f"it is looked for among the installed packages and in {_listed_folders(folders)}",
        )
    name = top
    for part in inner:
        locations = spec.submodule_search_locations
        name = f"{name}.{part}"
        if locations is None:
            if name in sys.modules:  # such as os.path
                return None
            raise _NoModuleError(name, f"{spec.name} is a module, not a package")
        try:
            inner_spec = PathFinder.find_spec(name, list(locations))
        except KeyError:  # a namespace package in another, which Python finds only once imported
            return None
        if inner_spec is None:
            raise _NoModuleError(name, did_you_mean(part, _modules_in(locations)))
        spec = inner_spec
    return spec


def _listed_folders(folders: list[str]) -> str:
    return " or ".join(sanitise(folder, 200) for folder in folders)


def _modules_in(folders: Iterable[str]) -> list[str]:
    names: list[str] = []
    for folder in folders:
        with contextlib.suppress(OSError):
            names += [
                item.stem
                for item in sorted(Path(folder).iterdir())
                if item.suffix == ".py" or (item / "__init__.py").exists()
            ]
    return names


@dataclass(frozen=True)
class _Missing:
    holder: str
    name: str
    remedy: str


def _find_missing(tree: ast.Module, module: str, name: str) -> _Missing | None:
    """Find the first part of a dotted name that the source does not define."""
    body, holder = tree.body, module
    for part in name.split("."):
        names = _defined_names(body)
        if names is None:
            return None
        if part not in names:
            return _Missing(holder, part, _nearest_function(part, names))
        definition = names[part]
        if not isinstance(definition, ast.ClassDef) or definition.bases or definition.keywords:
            return None  # an object of another module, or a class that inherits
        if definition.decorator_list:
            return None
        body, holder = definition.body, f"{holder}.{part}"
    return None


def _nearest_function(name: str, names: dict[str, ast.stmt]) -> str:
    public = [other for other in names if not other.startswith("_")]
    definitions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    functions = [other for other in public if isinstance(names[other], definitions)]
    remedy = did_you_mean(name, functions) or did_you_mean(name, public)
    listed = ", ".join(functions[:_LISTED_NAMES])
    return remedy or (f"it has {listed}" if listed else "it has no function")


def _defined_names(body: list[ast.stmt]) -> dict[str, ast.stmt] | None:
    """Give the names that statements bind, each with its statement; None if they cannot be known.

    A name that `if`, `try`, `with` or a loop binds counts, whichever branch would run.
    """
    names: dict[str, ast.stmt] = {}
    for statement in _statements(body):
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            names[statement.name] = statement
        elif isinstance(statement, (ast.Import, ast.ImportFrom)):
            for alias in statement.names:
                if alias.name == "*":
                    return None
                names[alias.asname or alias.name.partition(".")[0]] = statement
        else:
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                    names[node.id] = statement
                elif isinstance(node, ast.Name) and node.id in _DYNAMIC:
                    return None
    return None if "__getattr__" in names else names


_DYNAMIC = frozenset({"globals", "locals", "vars", "exec", "setattr"})
"""Functions by which a module can define names that its source does not show."""


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            continue
        for child in ast.iter_child_nodes(statement):
            if isinstance(child, ast.stmt):
                yield from _statements([child])
            elif isinstance(child, (ast.ExceptHandler, ast.match_case)):
                yield from _statements(child.body)
