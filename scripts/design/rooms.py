"""The rooms of gradscope and their floors, read from the import contracts and the sources."""

from __future__ import annotations

import ast
import re
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Room:
    """A package or a module of gradscope, with all that lies in it.

    `libraries` are those that a contract keeps out of other rooms and that this room imports.
    """

    name: str
    purpose: str
    files: int
    lines: int
    libraries: tuple[str, ...]
    sub_rooms: tuple[Room, ...]

    @property
    def size(self) -> str:
        """The number of files and of lines, to the nearest hundred."""
        files = f"{self.files} file{'s' * (self.files != 1)}"
        return f"{files}, {max(round(self.lines, -2), 100):,} lines"


@cache
def contracts() -> list[dict[str, Any]]:
    """The contracts in pyproject.toml."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    entries: list[dict[str, Any]] = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    return entries


@cache
def floors() -> list[list[Room]]:
    """The rooms of each floor, the top floor first."""
    [layers] = [contract["layers"] for contract in contracts() if contract["type"] == "layers"]
    names = [[name.strip(" ()") for name in re.split("[|:]", layer)] for layer in layers]
    return [[_room(ROOT / "gradscope" / name) for name in floor] for floor in names]


@cache
def _fenced() -> frozenset[str]:
    """The libraries that a contract keeps out of some rooms."""
    return frozenset(
        module
        for contract in contracts()
        for module in contract.get("forbidden_modules", ())
        if not module.startswith("gradscope")
    )


def _room(path: Path) -> Room:
    if not path.is_dir():
        path = path.with_suffix(".py")
    files = sorted(path.rglob("*.py")) if path.is_dir() else [path]
    texts = [file.read_text(encoding="utf-8") for file in files]
    imported = {library for text in texts for library in _imported(text)}
    folders = sorted(path.iterdir()) if path.is_dir() else []
    return Room(
        name=f"{path.name}/" if path.is_dir() else path.name,
        purpose=_purpose(path / "__init__.py" if path.is_dir() else path),
        files=len(files),
        lines=sum(len(text.splitlines()) for text in texts),
        libraries=tuple(sorted(imported)),
        sub_rooms=tuple(_room(folder) for folder in folders if _is_package(folder)),
    )


def _is_package(path: Path) -> bool:
    return (path / "__init__.py").is_file()


@cache
def _imported(text: str) -> frozenset[str]:
    """The fenced libraries that a source imports."""
    if not any(library in text for library in _fenced()):
        return frozenset()
    modules: list[str | None] = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules.append(node.module)
    return _fenced() & {module.partition(".")[0] for module in modules if module}


def _purpose(path: Path) -> str:
    """The first sentence of a module's docstring."""
    documentation = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return documentation.partition("\n")[0].partition(". ")[0].rstrip(".")
