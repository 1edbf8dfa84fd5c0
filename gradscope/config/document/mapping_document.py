"""The document of a config that is a Python mapping: plain values only, none too deep."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from gradscope.config.document.document import (
    INVALID,
    MAXIMUM_NESTING,
    MAXIMUM_NODES,
    Document,
    Location,
)
from gradscope.config.document.tree_path import TreePath
from gradscope.message_text import show_value


def document_from_mapping(mapping: Mapping[Any, Any], source: str = "config") -> Document:
    """Make the document of a config that is a Python mapping, such as a notebook's."""
    document = Document(source)
    document.value_locations[()] = Location(source)
    budget = [MAXIMUM_NODES]
    document.tree = _plain(mapping, (), document, budget)
    return document


def _plain(value: Any, path: TreePath, document: Document, budget: list[int]) -> Any:
    document.value_locations[path] = Location(document.source)
    budget[0] -= 1
    if len(path) > MAXIMUM_NESTING or budget[0] < 0:
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
        document.key_locations[(*path, key)] = Location(document.source)
        plain[key] = _plain(item, (*path, key), document, budget)
    return plain
