"""A config before it is checked: a plain tree and the location of every key and value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from gradscope.config.document.tree_path import TreePath, dotted_path
from gradscope.errors import Problem
from gradscope.message_text import sanitise

MAXIMUM_NESTING: Final = 32
MAXIMUM_NODES: Final = 10_000


class Invalid:
    """The value of the tree for which a problem is already reported."""

    def __repr__(self) -> str:
        return "INVALID"


INVALID: Final = Invalid()


@dataclass(frozen=True)
class Location:
    """Where a key or a value is written; line 0: not in a file but in an override."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass
class Document:
    """A tree of mappings, lists and scalars with the locations of its keys and values."""

    source: str
    tree: Any = None
    key_locations: dict[TreePath, Location] = field(default_factory=dict)
    value_locations: dict[TreePath, Location] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def location(self, path: TreePath, at_key: bool = False) -> Location:
        """Give the location of a path, or of the nearest value around it that is written."""
        if at_key and path in self.key_locations:
            return self.key_locations[path]
        if path in self.value_locations:
            return self.value_locations[path]
        for length in range(len(path) - 1, 0, -1):
            if path[:length] in self.value_locations:
                return self.key_locations.get(path[:length], self.value_locations[path[:length]])
        return self.value_locations.get((), Location(self.source))

    def report(self, path: TreePath, message: str, remedy: str = "", at_key: bool = False) -> None:
        """Add one problem at the location of `path`."""
        location = self.location(path, at_key)
        self.report_at(location, path, message, remedy)

    def report_at(self, location: Location, path: TreePath, message: str, remedy: str = "") -> None:
        """Add one problem at `location`."""
        source, line, column = location.source, location.line, location.column
        self.problems.append(Problem(source, line, column, dotted_path(path), message, remedy))

    def drop_locations(self, path: TreePath) -> None:
        """Drop the locations of everything at and under `path`."""
        for locations in (self.key_locations, self.value_locations):
            for inner in [inner for inner in locations if inner[: len(path)] == path]:
                del locations[inner]


def source_name(path: object) -> str:
    """Give the name of a file for messages."""
    return sanitise(str(path), 300)
