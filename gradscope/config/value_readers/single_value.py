"""Readers of a single value: by a Python annotation, by a fixed word, or on, off and auto."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.type_annotation import (
    AnnotationMismatchError,
    annotation_schema,
    check_value,
    expected_text,
    literal_choices,
    takes_path,
)
from gradscope.config.value_readers.value_reader import ReadContext, Schema, ValueReader
from gradscope.message_text import did_you_mean, show_value

_BOOLEANS: Final = {
    **dict.fromkeys(("yes", "on", "y"), "write true"),
    **dict.fromkeys(("no", "off", "n"), "write false"),
}


@dataclass(frozen=True)
class TypedValueReader:
    """A single value that fits a Python annotation."""

    annotation: Any

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Check the value strictly; a relative path starts at the config's folder."""
        if value is INVALID:
            return INVALID
        try:
            checked = check_value(self.annotation, value)
        except AnnotationMismatchError:
            message = f"expected {expected_text(self.annotation)}, received {show_value(value)}"
            context.report(path, message, self._remedy(value))
            return INVALID
        if takes_path(self.annotation) and isinstance(checked, str) and context.folder is not None:
            return str(context.folder / _expand_user(checked))
        return checked

    def _remedy(self, value: Any) -> str:
        rule = expected_text(self.annotation)
        if isinstance(value, float) and not math.isfinite(value):
            return "numbers must be finite"
        if rule == "true or false" and isinstance(value, str):
            return _BOOLEANS.get(value.lower(), "")
        if isinstance(value, float) and "whole number" in rule:
            whole = value.is_integer() and abs(value) < 1e15
            return f"write {int(value)}" if whole else ""
        if isinstance(value, (int, float)) and rule == "text":
            return "put it in quotes to make it text"
        return did_you_mean(value, literal_choices(self.annotation))

    def json_schema(self) -> Schema:
        """Describe the annotation."""
        return annotation_schema(self.annotation)


def _expand_user(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError:  # no such user, or no home folder: the name is then meant literally
        return Path(text)


@dataclass(frozen=True)
class KeywordOrReader:
    """Either one fixed word, which is its own value, or what another reader takes."""

    word: str
    reader: ValueReader

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Give the word, or what the other reader gives."""
        return value if value == self.word else self.reader.read(value, path, context)

    def json_schema(self) -> Schema:
        """Describe both."""
        return {"anyOf": [{"const": self.word}, self.reader.json_schema()]}


@dataclass(frozen=True)
class OnOffAutoReader:
    """`auto`, `on` or `off`; true and false also mean on and off."""

    def read(self, value: Any, path: TreePath, context: ReadContext) -> Any:
        """Give auto, on or off."""
        if value is INVALID:
            return INVALID
        if isinstance(value, bool):
            return "on" if value else "off"
        if value not in ("auto", "on", "off"):
            context.report(path, f"expected one of auto, on, off, received {show_value(value)}")
        return value

    def json_schema(self) -> Schema:
        """Describe the three words."""
        return {"enum": ["auto", "on", "off", True, False]}
