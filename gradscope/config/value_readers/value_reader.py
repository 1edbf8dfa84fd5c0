"""What every reader of a config's value does: read, report, describe itself as JSON Schema.

A reader reports every mistake to the document, with its location, and goes on. Its result is used
only when the whole config is without a problem, so the result for a wrong value may be anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from gradscope.config.document.document import Document
from gradscope.config.document.tree_path import TreePath

Schema = dict[str, Any]


@dataclass
class ReadContext:
    """What a reader needs besides the value: where to report, and where relative paths start."""

    document: Document
    folder: Path | None = None

    def report(self, path: TreePath, message: str, remedy: str = "", at_key: bool = False) -> None:
        """Report one mistake at `path`."""
        self.document.report(path, message, remedy, at_key)


class ValueReader(Protocol):
    """A reader of one kind of value."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Check `value`, report its mistakes, and give the value to use."""

    def json_schema(self) -> Schema:
        """Describe the allowed values as JSON Schema 2020-12."""
