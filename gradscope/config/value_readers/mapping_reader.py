"""Readers of mappings and lists: each key has a reader, a default and a description."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gradscope.config.document.document import INVALID
from gradscope.config.document.tree_path import TreePath
from gradscope.config.value_readers.single_value import TypedValueReader
from gradscope.config.value_readers.value_reader import ReadContext, Schema, ValueReader
from gradscope.message_text import did_you_mean, sanitise, show_value


@dataclass(frozen=True)
class Key:
    """One key of a mapping: its reader, its default and a description.

    `default` is a value as the reader gives it, or None for "not written".
    """

    reader: ValueReader
    default: Any = None
    description: str = ""
    required: bool = False


@dataclass(frozen=True)
class MappingReader:
    """A mapping with a fixed set of keys."""

    keys: Mapping[str, Key]

    def read(self, value: Any, path: TreePath, context: ReadContext) -> dict[str, Any]:
        """Read every key; give all keys, with the default of a key that is not written."""
        if not isinstance(value, dict):
            if value is not INVALID:
                listed = ", ".join(self.keys)
                context.report(path, f"expected a mapping ({listed}), received {show_value(value)}")
            return {name: key.default for name, key in self.keys.items()}
        result = {name: key.default for name, key in self.keys.items()}
        for name, item in value.items():
            key = self.keys.get(name)
            if key is None:
                report_unknown_key(name, path, self.keys, context)
            else:
                result[name] = key.reader.read(item, (*path, name), context)
        for name, key in self.keys.items():
            if key.required and name not in value:
                context.report((*path, name), "is required", f"add `{name}:`")
        return result

    def json_schema(self) -> Schema:
        """Describe the keys; others are not allowed."""
        schema: Schema = {
            "type": "object",
            "properties": {name: _key_schema(key) for name, key in self.keys.items()},
            "additionalProperties": False,
        }
        required = [name for name, key in self.keys.items() if key.required]
        return {**schema, "required": required} if required else schema


def _key_schema(key: Key) -> Schema:
    schema = key.reader.json_schema()
    if key.description:
        schema = {**schema, "description": key.description}
    if isinstance(key.default, (bool, int, float, str)):
        schema = {**schema, "default": key.default}
    return schema


def report_unknown_key(
    name: str, path: TreePath, allowed: Mapping[str, object], context: ReadContext
) -> None:
    """Report a key that does not exist, with the nearest one or all that do."""
    remedy = did_you_mean(name, allowed) or f"known here: {', '.join(allowed)}"
    context.report(
        (*path, name), f"unknown key '{sanitise(name)}'", remedy if allowed else "", at_key=True
    )


def read_open_keys(written: dict[str, Any], path: TreePath, context: ReadContext) -> dict[str, Any]:
    """Read keys without a declaration: any plain, finite values."""
    return {
        key: TypedValueReader(Any).read(item, (*path, key), context)
        for key, item in written.items()
    }


@dataclass(frozen=True)
class ListReader:
    """A list with at least one item; one reader reads all items."""

    item: ValueReader
    maximum: int = 10_000

    def read(self, value: Any, path: TreePath, context: ReadContext) -> tuple[Any, ...]:
        """Read every item."""
        if value is INVALID:
            return ()
        if not isinstance(value, list) or not 1 <= len(value) <= self.maximum:
            received = "an empty list" if value == [] else show_value(value)
            context.report(
                path, f"expected a list of 1 to {self.maximum} items, received {received}"
            )
            return ()
        return tuple(
            self.item.read(item, (*path, index), context) for index, item in enumerate(value)
        )

    def json_schema(self) -> Schema:
        """Describe the list."""
        return {
            "type": "array",
            "items": self.item.json_schema(),
            "minItems": 1,
            "maxItems": self.maximum,
        }
