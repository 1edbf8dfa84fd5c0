"""What a config holds before it is checked: a plain tree and the place of every key and value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final

from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.errors import Problem
from gradscope.message_text import sanitise, show_value

MAXIMUM_DEPTH: Final = 32
MAXIMUM_NODES: Final = 10_000


class Invalid:
    """Stands in the tree for a value whose problem is already reported."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()


@dataclass(frozen=True)
class Location:
    """Where something is written; line 0 says that it is not in a file (an override)."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass
class Document:
    """A tree of mappings, lists and scalars with the places of its keys and values."""

    source: str
    tree: Any = None
    keys: dict[TreePath, Location] = field(default_factory=dict)
    values: dict[TreePath, Location] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def place(self, path: TreePath, at_key: bool = False) -> Location:
        """Find the place of a path, or of the nearest thing around it that is written."""
        if at_key and path in self.keys:
            return self.keys[path]
        if path in self.values:
            return self.values[path]
        for length in range(len(path) - 1, 0, -1):
            if path[:length] in self.values:
                return self.keys.get(path[:length], self.values[path[:length]])
        return self.values.get((), Location(self.source))

    def report(self, path: TreePath, message: str, remedy: str = "", at_key: bool = False) -> None:
        """Add one problem at the place of `path`."""
        place = self.place(path, at_key)
        self.report_at(place, path, message, remedy)

    def report_at(self, place: Location, path: TreePath, message: str, remedy: str = "") -> None:
        """Add one problem at a known place."""
        self.problems.append(
            Problem(place.source, place.line, place.column, dotted_path(path), message, remedy)
        )

    def forget(self, path: TreePath) -> None:
        """Drop the places of everything at and under `path`."""
        for places in (self.keys, self.values):
            for known in [known for known in places if known[: len(path)] == path]:
                del places[known]


def document_from_mapping(mapping: Mapping[Any, Any], source: str = "config") -> Document:
    """Take a Python mapping (a notebook's config) as if it had been read from a file."""
    document = Document(source)
    document.values[()] = Location(source)
    budget = [MAXIMUM_NODES]
    document.tree = _plain(mapping, (), document, budget)
    return document


def _plain(value: Any, path: TreePath, document: Document, budget: list[int]) -> Any:
    document.values[path] = Location(document.source)
    budget[0] -= 1
    if len(path) >= MAXIMUM_DEPTH or budget[0] < 0:
        document.report(path[:3], "too large or too deep for a config")
        return INVALID
    if value is None or type(value) in {bool, int, float, str}:
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Mapping):
        return _plain_mapping(value, path, document, budget)
    if isinstance(value, (list, tuple)):
        return _plain_list(value, path, document, budget)
    document.report(path, f"cannot use {show_value(value)} in a config", "use plain Python values")
    return INVALID


def _plain_list(
    value: list[Any] | tuple[Any, ...], path: TreePath, document: Document, budget: list[int]
) -> list[Any]:
    items = []
    for index, item in enumerate(value):
        if budget[0] < 0:
            break
        items.append(_plain(item, (*path, index), document, budget))
    return items


def _plain_mapping(
    value: Mapping[Any, Any], path: TreePath, document: Document, budget: list[int]
) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for key, item in value.items():
        if budget[0] < 0:
            break
        if type(key) is not str:
            document.report(path, f"keys are text, received {show_value(key)}")
            continue
        document.keys[(*path, key)] = Location(document.source)
        plain[key] = _plain(item, (*path, key), document, budget)
    return plain


def source_name(path: object) -> str:
    """Give the name under which a file appears in messages."""
    return sanitise(str(path), 300)
